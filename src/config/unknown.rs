//! Names that the configuration has and the program does not: a warning with the nearest name that it does know.

use super::ini::Ini;
use super::settings::Opt;

/// A section or option that nobody reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `[section]` or `[section] option`.
    pub name: String,
    /// The nearest known name, where one is near.
    pub nearest: Option<String>,
}

/// How alike two names have to be (0 to 1, Jaro-Winkler) for one to be offered for the other.
const NEAR: f64 = 0.8;

/// Lists the sections and options of a configuration that are none of `known`.
///
/// What stands in `[DEFAULT]` is left out: it is there to be referred to.
pub fn unknown_names<'a>(ini: &Ini, known: impl Iterator<Item = &'a Opt> + Clone) -> Vec<Unknown> {
    let mut found = Vec::new();
    for section in ini.sections() {
        let here: Vec<_> = known.clone().filter(|opt| opt.matches_section(section)).collect();
        if here.is_empty() {
            let nearest = nearest(section, known.clone().map(|opt| opt.section));
            found.push(Unknown {
                name: format!("[{section}]"),
                nearest: nearest.map(|name| format!("[{name}]")),
            });
            continue;
        }
        for option in ini.options(section) {
            if ini.has_option("DEFAULT", option) || here.iter().any(|opt| opt.matches(section, option)) {
                continue;
            }
            found.push(Unknown {
                name: format!("[{section}] {option}"),
                nearest: nearest(option, here.iter().map(|opt| opt.option)).map(str::to_owned),
            });
        }
    }
    found
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Opt; 3] = [
        Opt::new("auth", "prompt", ""),
        Opt::new("question_<n>", "key", ""),
        Opt::new("usermapping source=explicit", "<user name>", ""),
    ];

    fn unknown(text: &str) -> Vec<Unknown> {
        let mut ini = Ini::new();
        ini.read_str("plugin.ini", text).unwrap();
        unknown_names(&ini, KNOWN.iter())
    }

    #[test]
    fn known_names_and_families_of_names_are_quiet() {
        assert_eq!(
            unknown("[auth]\nprompt=x\n[question_12]\nkey=a\n[usermapping source=explicit]\nAlice=b\n"),
            []
        );
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let found = unknown("[auht]\nprompt=x\n[auth]\npromt=x\n[question_]\nkey=a\n[other]\n");
        let names: Vec<_> = found.iter().map(|u| (u.name.as_str(), u.nearest.as_deref())).collect();
        assert_eq!(names[0], ("[auht]", Some("[auth]")));
        assert_eq!(names[1], ("[auth] promt", Some("prompt")));
        assert_eq!(names[2], ("[question_]", Some("[question_<n>]")));
        assert_eq!(names[3], ("[other]", None));
    }
}
