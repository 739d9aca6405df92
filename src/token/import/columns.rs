//! The columns of a CSV file (RFC 4180) whose first line names them, in any order.

use csv::StringRecord;

/// Where each of the columns that there may be stands in a line.
pub struct Columns<const N: usize> {
    known: &'static [&'static str; N],
    places: [Option<usize>; N],
}

impl<const N: usize> Columns<N> {
    /// Reads the first line; names are taken in any case.
    ///
    /// # Errors
    /// What is wrong with it: a column that nobody knows or that appears twice, or one of `needed` that is missing. The text
    /// of an unknown one is not quoted: in a file without a header it may be a secret.
    pub fn find(
        known: &'static [&'static str; N],
        needed: &[&str],
        header: &StringRecord,
    ) -> Result<Self, String> {
        let mut columns = Self { known, places: [None; N] };
        for (index, name) in header.iter().enumerate() {
            let name = name.trim();
            let place =
                known.iter().zip(&mut columns.places).find(|(known, _)| known.eq_ignore_ascii_case(name));
            match place {
                Some((_, place @ None)) => *place = Some(index),
                Some((known, Some(_))) => return Err(format!("{known} appears twice")),
                None => {
                    let (column, known) = (index.saturating_add(1), known.join(", "));
                    return Err(format!("column {column} is none of {known}"));
                }
            }
        }
        match needed.iter().find(|needed| columns.place(needed).is_none()) {
            Some(needed) => Err(format!("{needed} is missing")),
            None => Ok(columns),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.known.iter().zip(self.places).find(|(known, _)| **known == name).and_then(|(_, place)| place)
    }

    /// Returns a field that is there and not empty, as it stands.
    pub fn field<'r>(&self, record: &'r StringRecord, name: &str) -> Option<&'r str> {
        record.get(self.place(name)?).filter(|field| !field.is_empty())
    }
}
