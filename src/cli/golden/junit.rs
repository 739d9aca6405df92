//! The report in the XML form of JUnit, which CI servers read.

use std::fmt::Write as _;

use super::Played;

/// Writes one test case for each case: its folder's parent is the class, its folder the name.
pub(super) fn to_xml(played: &[Played]) -> String {
    let failed = played.iter().filter(|case| !case.differences.is_empty()).count();
    let counts = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\"", played.len());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites {counts}>\n  <testsuite name=\"sps-plugin golden\" {counts}>");
    for case in played {
        let (class, name) = case.name.rsplit_once('/').unwrap_or(("golden", &case.name));
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escape(class),
            escape(name),
            case.took.as_secs_f64()
        );
        if case.differences.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(">\n");
        for difference in &case.differences {
            let headline = escape(&difference.headline);
            let details = escape(&difference.details.join("\n"));
            let _ = writeln!(xml, "      <failure message=\"{headline}\">{details}</failure>");
        }
        xml.push_str("    </testcase>\n");
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// Escapes text for an element or an attribute; what XML 1.0 cannot hold (section 2.2) becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Difference;
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_escaped_or_replaced() {
        assert_eq!(escape("a<b>\"&\"\u{0}\u{1b}\n"), "a&lt;b&gt;&quot;&amp;&quot;\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn a_case_that_differs_is_a_failure() {
        let case = |name: &str, differences| Played {
            name: name.to_owned(),
            differences,
            rewritten: Vec::new(),
            took: Duration::from_millis(1500),
        };
        let wrong =
            Difference::new("step 1: <wrong>", vec!["verdict:".to_owned(), "    got \"DENY\"".to_owned()]);
        let xml = to_xml(&[case("authenticate/a", Vec::new()), case("b", vec![wrong])]);
        assert_eq!(
            xml,
            concat!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                "<testsuites tests=\"2\" failures=\"1\" errors=\"0\">\n",
                "  <testsuite name=\"sps-plugin golden\" tests=\"2\" failures=\"1\" errors=\"0\">\n",
                "    <testcase classname=\"authenticate\" name=\"a\" time=\"1.500\"/>\n",
                "    <testcase classname=\"golden\" name=\"b\" time=\"1.500\">\n",
                "      <failure message=\"step 1: &lt;wrong&gt;\">verdict:\n    got &quot;DENY&quot;</failure>\n",
                "    </testcase>\n  </testsuite>\n</testsuites>\n"
            )
        );
    }
}
