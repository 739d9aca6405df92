//! The first line of a table that names its columns, as this program, vendors and servers call them.

use std::borrow::Cow;

use super::secret::Encoding;
use crate::logging::Short;

/// What a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Serial,
    Secret(Encoding),
    Type,
    Algorithm,
    Digits,
    Period,
    Counter,
    User,
    Realm,
    Description,
    Manufacturer,
    Model,
    /// Known, and of no use here.
    Unused,
}

/// The names, in lower case and without anything between letters and digits: `Serial Number` is `serialnumber`.
const NAMES: [(Column, &[&str]); 13] = [
    (
        Column::Serial,
        &[
            "serial",
            "serialnumber",
            "serialno",
            "serialnr",
            "sn",
            "tokenserial",
            "tokenserialnumber",
            "tokenid",
            "deviceserial",
            "deviceserialnumber",
            "deviceid",
        ],
    ),
    (
        Column::Secret(Encoding::Unknown),
        &[
            "secretkey",
            "sharedsecret",
            "seed",
            "otpseed",
            "tokenseed",
            "key",
            "otpkey",
            "tokenkey",
            "otpsecret",
        ],
    ),
    (Column::Secret(Encoding::HexPreferred), &["secret"]),
    (Column::Type, &["type", "tokentype", "otptype", "mode"]),
    (
        Column::Algorithm,
        &["algorithm", "algo", "hash", "hashalgorithm", "hashalgo", "hashlib", "hashfunction"],
    ),
    (
        Column::Digits,
        &["digits", "otplen", "otplength", "otpdigits", "codelength", "numberofdigits", "length"],
    ),
    (
        Column::Period,
        &[
            "period",
            "timestep",
            "timeinterval",
            "timeintervalinseconds",
            "interval",
            "step",
            "timeperiod",
            "otpperiod",
        ],
    ),
    (Column::Counter, &["counter", "count", "movingfactor", "initialcounter", "hotpcounter", "eventcounter"]),
    (
        Column::User,
        &["user", "username", "upn", "userprincipalname", "owner", "login", "account", "loginname"],
    ),
    (Column::Realm, &["realm", "userrealm"]),
    (Column::Description, &["description", "comment", "note", "notes", "remark"]),
    (Column::Manufacturer, &["manufacturer", "vendor"]),
    (Column::Model, &["model", "product", "productname"]),
];
/// Columns that servers write into such tables, and that have no effect.
const UNUSED: [&str; 8] =
    ["resolver", "expirydate", "batch", "batchnumber", "timestamp", "createdat", "ordernumber", "publicid"];
/// What is added to the name of a secret's column, before or behind it, to say how the secret is written.
const ENCODINGS: [(&str, Encoding); 6] = [
    ("base32", Encoding::Base32),
    ("b32", Encoding::Base32),
    ("hexadecimal", Encoding::Hex),
    ("hexstring", Encoding::Hex),
    ("hex", Encoding::Hex),
    ("base16", Encoding::Hex),
];

/// The columns of a table.
pub(super) struct Header {
    columns: Vec<Column>,
    /// That there are columns that are not read.
    pub(super) notes: Vec<String>,
}

impl Header {
    /// Tells how many of the fields name a column; without any, a line is no header.
    pub(super) fn matches(fields: &[Cow<'_, str>]) -> usize {
        fields.iter().filter(|name| column(name).is_some()).count()
    }

    /// Reads the first line.
    ///
    /// # Errors
    /// What is wrong with it. A field that is not known is not quoted: in a file without a header it may be a secret.
    pub(super) fn read(fields: &[Cow<'_, str>]) -> Result<Self, String> {
        let mut columns: Vec<Column> = Vec::new();
        let mut unknown = Vec::new();
        for (number, name) in (1_usize..).zip(fields) {
            match column(name) {
                Some(Column::Unused) => columns.push(Column::Unused),
                Some(column) if columns.contains(&column) => {
                    return Err(format!("{} appears twice", Short(name)));
                }
                Some(column) => columns.push(column),
                None => {
                    if let Some(meant) = meant(name) {
                        return Err(format!("column {number} is not known; did you mean {meant}?"));
                    }
                    columns.push(Column::Unused);
                    unknown.push((number, name));
                }
            }
        }
        if !columns.contains(&Column::Serial) {
            return Err("serial is missing".to_owned());
        }
        if !columns.iter().any(|column| matches!(column, Column::Secret(_))) {
            return Err("secret is missing".to_owned());
        }
        // Only now it is sure that these are names.
        let unknown = unknown.into_iter().filter(|(_, name)| !name.is_empty());
        let notes = unknown.map(|(number, name)| format!("column {number}, {}, is not read", Short(name)));
        let notes = notes.collect();
        // Entra's table has base32, whatever the characters of a secret look like.
        let is_entra = fields.iter().any(|name| plain(name) == "upn" || plain(name) == "userprincipalname");
        if is_entra {
            for column in &mut columns {
                if *column == Column::Secret(Encoding::Unknown) {
                    *column = Column::Secret(Encoding::Base32);
                }
            }
        }
        Ok(Self { columns, notes })
    }

    /// Returns how many columns there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Tells whether there is such a column.
    pub(super) fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }

    /// Returns the fields of a line that are not empty, each with its column.
    pub(super) fn fields<'r>(
        &'r self,
        fields: &'r [Cow<'_, str>],
    ) -> impl Iterator<Item = (Column, &'r str)> {
        self.columns
            .iter()
            .copied()
            .zip(fields.iter().map(AsRef::as_ref))
            .filter(|(_, field)| !field.is_empty())
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn column(name: &str) -> Option<Column> {
    let name = plain(name);
    if UNUSED.contains(&name.as_str()) {
        return Some(Column::Unused);
    }
    let named = |name: &str| NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(column, _)| *column);
    named(&name).or_else(|| {
        let encoded = ENCODINGS.iter().find_map(|(word, encoding)| {
            let rest = name.strip_suffix(word).or_else(|| name.strip_prefix(word))?;
            rest.strip_suffix("in").or(Some(rest)).and_then(named).map(|column| (column, *encoding))
        });
        match encoded {
            Some((Column::Secret(_), encoding)) => Some(Column::Secret(encoding)),
            Some(_) | None => None,
        }
    })
}

/// Finds the name that was meant, where one or two letters differ.
fn meant(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let known = NAMES.iter().flat_map(|(_, names)| names.iter().copied());
    known.filter(|known| known.len() >= 5).find(|known| strsim::osa_distance(known, &name) <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Header, String> {
        let fields: Vec<Cow<'_, str>> = line.split(',').map(|field| Cow::Borrowed(field.trim())).collect();
        Header::read(&fields)
    }

    #[test]
    fn columns_are_known_by_the_names_that_vendors_use() {
        let entra = read("upn,serial number,secret key,time interval,manufacturer,model").unwrap();
        assert!(entra.has(Column::User) && entra.has(Column::Period) && entra.has(Column::Model));
        assert!(entra.has(Column::Secret(Encoding::Base32)) && entra.notes.is_empty());
        for (line, encoding) in [
            ("Serial,Seed (Hex)", Encoding::Hex),
            ("SN;,Base32 Seed", Encoding::Base32),
            ("Token ID,secret_base32", Encoding::Base32),
            ("serial,secret in hex", Encoding::Hex),
            ("SerialNumber,SharedSecret", Encoding::Unknown),
            ("serial,secret", Encoding::HexPreferred),
        ] {
            assert!(read(line).unwrap().has(Column::Secret(encoding)), "{line}");
        }
    }

    #[test]
    fn a_first_line_without_what_is_needed_is_refused() {
        for (line, error) in [
            ("serial,type", "serial,secret"),
            ("secret", "serial"),
            ("serial,secret,secret", "secret appears twice"),
            ("serial,secret,algoritm", "column 3 is not known; did you mean algorithm?"),
        ] {
            let found = read(line).err().unwrap();
            assert!(found.contains(error.rsplit(',').next().unwrap()), "{line}: {found}");
        }
    }

    #[test]
    fn columns_that_are_not_read_are_told() {
        let header = read("serial,colour,secret,resolver").unwrap();
        assert_eq!(header.notes, ["column 2, colour, is not read"]);
    }
}
