//! Every way in × every demand. The compiler completes the table: a new way or demand does not compile without its verdicts.

use std::thread;

use serde_json::{Value, json};

use crate::Given;
use crate::approvals::{Approver, Asks, Terms, approvals, missing};
use crate::support::{Ended, Place};
use crate::ways::{Proves, Tokens, Way, authenticate, go_on};

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// The way is enough.
    Accepted,
    /// The way is taken, and approvals are asked for.
    AsksApprovals,
    /// The way is taken, and a factor is asked for.
    AsksFactor,
    /// The way is not taken.
    Refused,
}

fn expected(way: Way, asks: Asks, terms: Terms) -> Ends {
    match (asks, way.proves()) {
        (Asks::Nothing, _) | (Asks::FactorByRule, Proves::Factor) => Ends::Accepted,
        (
            Asks::FactorByRule,
            Proves::Name
            | Proves::EarlierFactor
            | Proves::Approval
            | Proves::NothingInOutage
            | Proves::NothingConfigured,
        ) => Ends::AsksFactor,
        // What a way brought along is counted.
        (Asks::ApprovalsByConnection | Asks::ApprovalsByRule, Proves::Approval) => {
            if terms.needed().len() == 1 { Ends::Accepted } else { Ends::AsksApprovals }
        }
        // A whitelist proves no approval, unless that is written.
        (Asks::ApprovalsByConnection | Asks::ApprovalsByRule, Proves::Name)
            if terms == Terms::ExceptWhitelisted =>
        {
            Ends::Accepted
        }
        // Where approvals are demanded, a name, another session and an outage prove nothing.
        (Asks::ApprovalsByConnection, Proves::Name | Proves::EarlierFactor | Proves::NothingInOutage) => {
            Ends::Refused
        }
        // With local tokens the approvals are the login.
        (Asks::ApprovalsByConnection, Proves::Factor) if way.is_local() => Ends::Refused,
        (Asks::ApprovalsByConnection, Proves::Factor | Proves::NothingConfigured)
        | (
            Asks::ApprovalsByRule,
            Proves::Name
            | Proves::EarlierFactor
            | Proves::Factor
            | Proves::NothingInOutage
            | Proves::NothingConfigured,
        ) => Ends::AsksApprovals,
    }
}

/// One cell of the table.
struct Cell {
    way: Way,
    asks: Asks,
    terms: Terms,
    given: Given,
    /// The response with which the way ended.
    response: Value,
    ends: Ends,
}

impl Cell {
    /// Walks a way to its end.
    fn walk(tokens: &Tokens, way: Way, asks: Asks, terms: Terms) -> Self {
        let mut given = tokens.session(way, asks, terms);
        let mut response = authenticate(&mut given, way);
        if !asks.is_by_connection() {
            assert_eq!(response["verdict"], "ACCEPT", "{way:?} {asks:?} {terms:?}: {response}");
            given.hook = "authorize";
            go_on(&mut given, &response["cookie"], json!({"otp": "123456"}));
            response = given.ask().response();
        }
        let asked = response["question"][1].as_str().unwrap_or_default().to_owned();
        let ends = match response["verdict"].as_str().unwrap() {
            "ACCEPT" => Ends::Accepted,
            "NEEDINFO" if asked.starts_with("Approval is still missing from: ") => Ends::AsksApprovals,
            "NEEDINFO" => Ends::AsksFactor,
            _ => Ends::Refused,
        };
        Self { way, asks, terms, given, response, ends }
    }

    fn place(&self) -> String {
        format!("{:?} {:?} {:?}", self.way, self.asks, self.terms)
    }

    fn key(&self) -> String {
        self.response["question"][0].as_str().unwrap().to_owned()
    }

    /// Whether the way's own approval is counted for this demand already.
    fn has_begun(&self) -> bool {
        self.way.proves() == Proves::Approval && self.asks.is_by_connection()
    }

    /// The approvals that are still needed.
    fn needed(&self) -> &'static [Approver] {
        if self.has_begun() { &self.terms.needed()[1..] } else { self.terms.needed() }
    }

    /// The counter of the codes that were not used yet.
    fn counter(&self) -> u64 {
        if self.way.proves() == Proves::Approval { 1 } else { 0 }
    }

    /// Answers the question, and those that follow it, one after the other.
    fn answer(&mut self, answers: &[Value]) -> Ended {
        let (first, others) = answers.split_first().unwrap();
        go_on(&mut self.given, &self.response["cookie"].clone(), first.clone());
        let mut ended = self.given.ask();
        for answer in others {
            go_on(&mut self.given, &ended.response()["cookie"].clone(), answer.clone());
            ended = self.given.ask();
        }
        ended
    }

    /// Asserts that none of these dialogues lets in, each in the state that the way left.
    fn assert_not_accepted(&mut self, dialogues: impl IntoIterator<Item = Vec<Value>>) {
        let before = Place::copy_of(&self.given.place);
        for answers in dialogues {
            let ended = self.answer(&answers);
            assert_ne!(ended.verdict(), "ACCEPT", "{} {answers:?}: {ended:?}", self.place());
            self.given.place.set_state(&before);
        }
    }
}

/// Goes through the cells of one demand, the ones of each kind of approvals beside the others.
fn cells(asks: Asks, of: impl Fn(Cell) + Sync) {
    let (tokens, of) = (&Tokens::new(), &of);
    thread::scope(|scope| {
        for terms in asks.terms() {
            scope.spawn(move || {
                for way in Way::ALL {
                    of(Cell::walk(tokens, *way, asks, *terms));
                }
            });
        }
    });
}

/// Compares a cell with what is expected of it.
fn compare(cell: &Cell) {
    let Cell { way, asks, terms, response, .. } = cell;
    assert_eq!(cell.ends, expected(*way, *asks, *terms), "{}: {response}", cell.place());
    if cell.ends == Ends::AsksApprovals {
        let prompt = response["question"][1].as_str().unwrap();
        assert!(prompt.starts_with(&missing(cell.needed())), "{}: {prompt}", cell.place());
    }
}

/// Compares, and where a factor is asked for: the right one lets in, and no other answer.
fn ask_factor(mut cell: Cell) {
    compare(&cell);
    if cell.ends != Ends::AsksFactor {
        return;
    }
    let key = cell.key();
    let own = cell.way.own_factor();
    let typed_before = own.unwrap_or("123456");
    let wrong = [
        json!({}),
        json!({"otp": typed_before}),
        json!({&key: ""}),
        json!({&key: "000000"}),
        json!({&key: Approver::Carol.approves(0)}),
        json!({&key: Approver::Bob.approves(1)}),
    ];
    cell.assert_not_accepted(wrong.map(|answer| vec![answer]));
    match own {
        Some(factor) => {
            let ended = cell.answer(&[json!({&key: factor})]);
            assert_eq!(ended.verdict(), "ACCEPT", "{}: {ended:?}", cell.place());
        }
        None => {
            let answers = ["123456", "135790"].map(|text| vec![json!({&key: text})]);
            cell.assert_not_accepted(answers);
        }
    }
}

/// Compares, and where approvals are asked for: all of them let in, once, and not with one thing less.
fn approve(mut cell: Cell) {
    compare(&cell);
    if cell.ends != Ends::AsksApprovals {
        return;
    }
    let (key, counter, needed) = (cell.key(), cell.counter(), cell.needed());
    let dialogue = |approvers: &[Approver]| -> Vec<Value> {
        approvals(approvers, counter).into_iter().map(|text| json!({&key: text})).collect()
    };
    if cell.has_begun() {
        let first = cell.terms.needed()[0];
        cell.assert_not_accepted([dialogue(&[first])]);
    } else {
        cell.assert_not_accepted(cell.terms.not_enough().iter().map(|approvers| dialogue(approvers)));
    }
    if cell.terms == Terms::One {
        // One's own factor once more, the approval under another key, a code without PIN, an unknown approver.
        let (approval, code) = (Approver::Bob.approves(counter), Approver::Bob.code(counter));
        let wrong = [
            json!({"otp": "123456"}),
            json!({"otp": approval}),
            json!({&key: "123456"}),
            json!({&key: code}),
            json!({&key: format!("bob:{code}")}),
            json!({&key: approval.replace("bob", "carl")}),
            json!({}),
        ];
        cell.assert_not_accepted(wrong.map(|answer| vec![answer]));
    }
    let right = dialogue(needed);
    let ended = cell.answer(&right);
    assert_eq!(ended.verdict(), "ACCEPT", "{}: {ended:?}", cell.place());
    let metadata = ended.response()["additional_metadata"].as_str().unwrap().to_owned();
    for approver in needed {
        assert!(metadata.contains(approver.serial()), "{}: {metadata}", cell.place());
    }
    let again = cell.answer(&right);
    assert_ne!(again.verdict(), "ACCEPT", "{}: the same approvals once more: {again:?}", cell.place());
}

/// Walks all cells of one demand. A new one does not compile without its answers.
fn walk(asks: Asks) {
    match asks {
        Asks::Nothing => cells(asks, |cell| compare(&cell)),
        Asks::FactorByRule => cells(asks, ask_factor),
        Asks::ApprovalsByConnection | Asks::ApprovalsByRule => cells(asks, approve),
    }
}

#[test]
fn every_way_ends_as_each_demand_requires_and_what_is_asked_for_is_denied_with_one_thing_less() {
    thread::scope(|scope| {
        for asks in Asks::ALL {
            scope.spawn(|| walk(*asks));
        }
    });
}

#[test]
fn approvals_that_are_the_login_are_accepted_if_they_are_right_and_denied_with_one_thing_less() {
    let tokens = Tokens::new();
    let asks = Asks::ApprovalsByConnection;
    for way in Way::ALL.iter().filter(|way| way.is_local()) {
        for terms in Terms::ALL {
            let login = |approvers: &[Approver]| {
                let mut given = tokens.session(*way, asks, *terms);
                given.argument("key_value_pairs", json!({"otp": approvals(approvers, 0).join(" ")}));
                given.ask()
            };
            for approvers in terms.not_enough() {
                let ended = login(approvers);
                assert_ne!(ended.verdict(), "ACCEPT", "{way:?} {terms:?} {approvers:?}: {ended:?}");
            }
            let ended = login(terms.needed());
            assert_eq!(ended.verdict(), "ACCEPT", "{way:?} {terms:?}: {ended:?}");
        }
    }
}
