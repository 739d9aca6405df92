//! How many approvals of which realms: `realm1:2,realm2:1`.

/// Realms with the number of approvals that each has to give, in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realms(Vec<(String, u32)>);

impl Realms {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, RealmsError> {
        let mut realms: Vec<(String, u32)> = Vec::new();
        for entry in text.split(',') {
            let (realm, count) = entry.split_once(':').ok_or(RealmsError)?;
            let count = count.trim().parse().map_err(|_| RealmsError)?;
            if realm.trim().is_empty() || count == 0 || realms.iter().any(|(known, _)| known == realm.trim())
            {
                return Err(RealmsError);
            }
            realms.push((realm.trim().to_owned(), count));
        }
        Ok(Self(realms))
    }

    /// Goes through the realms.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(realm, count)| (realm.as_str(), *count))
    }
}

/// Says that a text is no such form.
#[derive(Debug, thiserror::Error)]
#[error("expected realms and counts such as realm1:2,realm2:1")]
pub struct RealmsError;
