//! Random operations on random tokens beside a model: accepted exactly when the model accepts, counters never go back.

use std::collections::BTreeSet;

use super::*;

/// Random numbers of a seed (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What a token should be. Its owner has its serial for a name, and no other token.
struct Model {
    serial: String,
    token_type: TokenType,
    target: Option<usize>,
    period: u32,
    window: u64,
    counter: u64,
    used: BTreeSet<u64>,
    fails: u32,
    max_fail: u32,
    unlock_after: i64,
    failed_at: i64,
    enabled: bool,
}

impl Model {
    fn open_again(&self, now: i64) -> bool {
        let over = self.max_fail > 0 && self.fails >= self.max_fail;
        !over || (self.unlock_after > 0 && self.failed_at + self.unlock_after <= now)
    }

    /// Charges a failure as far as the one who pays may use up this share of the limit, in per cent.
    fn charge(&mut self, now: i64, share: u32) {
        let most = self.max_fail * share / 100;
        let counts = self.max_fail == 0 || self.fails < most || (self.fails >= self.max_fail && most > 0);
        if self.enabled && self.open_again(now) && counts {
            self.fails = if self.max_fail > 0 && self.fails >= self.max_fail { 1 } else { self.fails + 1 };
            self.failed_at = now;
        }
    }

    fn code(&self, counter: u64) -> String {
        CodeMaker::new(Algorithm::Sha1, &secret(&self.serial), 6).unwrap().code(counter)
    }

    fn step(&self, now: i64) -> u64 {
        u64::try_from(now).unwrap() / u64::from(self.period)
    }

    /// The numbers whose codes are right now.
    fn candidates(&self, now: i64) -> Vec<u64> {
        match self.token_type {
            TokenType::Hotp => (self.counter..self.counter + self.window).collect(),
            TokenType::Totp => {
                let step = self.step(now);
                (step - self.window..=step + self.window).filter(|step| *step >= self.counter).collect()
            }
            _ => (0..self.window).filter(|place| !self.used.contains(place)).collect(),
        }
    }
}

/// Forwards lead to tokens before them, so that there is no circle.
fn tokens(random: &mut Random) -> Vec<Model> {
    (0..8_usize)
        .map(|number| {
            let target = (number >= 4).then(|| usize::try_from(random.below(number as u64)).unwrap());
            let token_type = match (target, random.below(3)) {
                (Some(_), _) => TokenType::Forward,
                (None, 0) => TokenType::Hotp,
                (None, 1) => TokenType::Totp,
                (None, _) => TokenType::Paper,
            };
            Model {
                serial: format!("K{number}"),
                token_type,
                target,
                period: if random.below(2) == 0 { 30 } else { 60 },
                window: 1 + random.below(12),
                counter: if token_type == TokenType::Hotp { random.below(1000) } else { 0 },
                used: BTreeSet::new(),
                fails: 0,
                max_fail: u32::try_from(random.below(6)).unwrap(),
                unlock_after: i64::try_from(random.below(2) * 90).unwrap(),
                failed_at: 0,
                enabled: true,
            }
        })
        .collect()
}

fn enrol(site: &Site, models: &[Model]) {
    for model in models {
        site.enrol(model.token_type, &model.serial, &model.serial, "", |token| {
            token.target = model.target.map(|target| models[target].serial.clone());
            (token.period, token.window) = (model.period, u32::try_from(model.window).unwrap());
            (token.counter, token.max_fail) = (model.counter, model.max_fail);
            token.unlock_after = u32::try_from(model.unlock_after).unwrap();
        });
    }
}

/// The way from a token to its device.
fn path(models: &[Model], from: usize) -> Vec<usize> {
    std::iter::successors(Some(from), |at| models[*at].target).collect()
}

/// What the model says to a code at a token; changes the model.
fn expect(models: &mut [Model], from: usize, code: &str, now: i64) -> Outcome {
    let path = path(models, from);
    let device = *path.last().unwrap();
    let usable = path.len() <= 6 && path.iter().all(|at| models[*at].enabled && models[*at].open_again(now));
    let found =
        models[device].candidates(now).into_iter().find(|number| models[device].code(*number) == code);
    let Some(number) = found.filter(|_| usable) else {
        // Where the way is closed, what lies behind it is not charged.
        let charged = if usable { path.len() } else { 1 };
        path.iter().take(charged).enumerate().for_each(|(number, at)| {
            models[*at].charge(now, if number == 0 { 100 } else { 50 });
        });
        return Outcome::Denied;
    };
    for at in &path {
        let model = &mut models[*at];
        model.fails = 0;
        model.counter = match model.token_type {
            TokenType::Hotp | TokenType::Totp => number + 1,
            _ => model.counter + 1,
        };
    }
    assert!(models[device].used.insert(number), "a code was taken twice");
    Outcome::Accepted(path.iter().map(|at| models[*at].serial.clone()).collect())
}

/// A code that is right, was right, will be right, or is nothing.
fn guess(random: &mut Random, device: &Model, now: i64) -> String {
    let middle = match device.token_type {
        TokenType::Hotp => device.counter,
        TokenType::Totp => device.step(now),
        _ => device.window / 2,
    };
    match random.below(8) {
        0 => format!("{:06}", random.below(1_000_000)),
        1 => device.used.iter().next_back().map_or_else(|| "000000".to_owned(), |used| device.code(*used)),
        2 => device.code(middle.saturating_add(random.below(30)).saturating_sub(15)),
        _ => device.code(middle.saturating_add(random.below(device.window))),
    }
}

fn run(seed: u64, rounds: u32) -> (u32, u32) {
    let mut random = Random(seed);
    let site = Site::new();
    let mut models = tokens(&mut random);
    enrol(&site, &models);
    let (mut accepted, mut denied) = (0, 0);
    for round in 0..rounds {
        let at = usize::try_from(random.below(models.len() as u64)).unwrap();
        match random.below(10) {
            0 => site.wait(i64::try_from(random.below(100)).unwrap()),
            1 => {
                models[at].enabled = !models[at].enabled || random.below(2) == 0;
                site.change(&models[at].serial, |token| token.enabled = models[at].enabled);
            }
            _ => {
                let device = *path(&models, at).last().unwrap();
                let now = site.clock.0.get();
                let code = guess(&mut random, &models[device], now);
                let expected = expect(&mut models, at, &code, now);
                let found = site.login(&models[at].serial, &code);
                assert_eq!(found, expected, "seed {seed}, round {round}, {} {code}", models[at].serial);
                match found {
                    Outcome::Accepted(_) | Outcome::Approved { .. } => accepted += 1,
                    Outcome::Denied | Outcome::Challenge { .. } => denied += 1,
                }
            }
        }
        for model in &models {
            let token = site.token(&model.serial);
            let used: BTreeSet<_> = site.store().used_codes(&model.serial).unwrap().into_iter().collect();
            let state = (token.counter, token.fail_counter);
            assert_eq!(state, (model.counter, model.fails), "seed {seed}, round {round}, {}", model.serial);
            if model.token_type == TokenType::Paper {
                assert_eq!(used, model.used, "seed {seed}, round {round}, {}", model.serial);
            }
        }
    }
    (accepted, denied)
}

#[test]
fn random_logins_are_accepted_exactly_when_the_model_accepts_them() {
    let (mut accepted, mut denied) = (0, 0);
    for seed in 1..=6 {
        let (more_accepted, more_denied) = run(seed * 0x9e37_79b9, 150);
        (accepted, denied) = (accepted + more_accepted, denied + more_denied);
    }
    assert!(accepted > 100 && denied > 100, "{accepted} accepted, {denied} denied");
}
