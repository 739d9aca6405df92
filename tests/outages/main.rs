//! The outage matrix: every provider, what may happen to a login, what was typed and what the configuration does about
//! outages. The verdict of each is computed by one small table, which `docs/outages.md` shows, and is compared with that of
//! the binary at servers that do what the table says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

mod play;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use play::Stage;
use table::{Cell, PROVIDERS, cells, document, expected};

/// Most of the time is spent on waiting for servers that do not answer.
const THREADS: usize = 24;
/// Where the table stands in the document.
const BEGIN: &str = "<!-- matrix: tests/outages -->\n";
const END: &str = "<!-- end of the matrix -->\n";

#[test]
fn each_cell_of_the_matrix_has_the_verdict_of_the_table() {
    let stages: Vec<_> = PROVIDERS.iter().map(|provider| Stage::new(*provider)).collect();
    let all: Vec<Cell> = cells().collect();
    assert!(all.len() > 500, "{}", all.len());
    let (left, wrong) = (Mutex::new(all.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(cell) = next else { break };
                    let stage = stages.iter().find(|stage| stage.provider == cell.provider).unwrap();
                    let (found, ended) = stage.play(*cell);
                    let meant = expected(*cell).unwrap();
                    if found != meant {
                        let text = format!("{cell:?}: {found:?} instead of {meant:?}\n{}", ended.stderr);
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn the_document_shows_the_table_that_is_tested() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/outages.md");
    let text = fs::read_to_string(path).unwrap();
    let shown = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).unwrap_or_default().0;
    let table = document();
    assert_eq!(shown, table, "docs/outages.md has to show this table:\n{table}");
}
