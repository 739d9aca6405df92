//! Our codes beside those of `oathtool` (OATH Toolkit, packaged by Debian), on random tokens.

#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "in a test an error is a failure")]

use std::process::Command;

use data_encoding::HEXLOWER;
use sps_plugin::store::Algorithm;
use sps_plugin::token::oath::{CodeMaker, parse_code, time_step};

/// How many tokens, and how many codes of each after the first.
const TOKENS: u32 = 1000;
const MORE: u64 = 4;

/// Random numbers of a seed (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 8) % end
    }
}

fn seed() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "whoever repeats a failure sets the seed")]
    if let Ok(seed) = std::env::var("SEED") {
        return seed.parse().unwrap();
    }
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) | 1
}

fn oathtool(arguments: &[String]) -> Vec<String> {
    let output = Command::new("oathtool").args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "oathtool {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs oathtool: scripts/test.d/63-oathtool"]
fn a_thousand_random_tokens_have_the_codes_that_oathtool_has() {
    let seed = seed();
    println!("SEED={seed}");
    let mut random = Random(seed);
    let algorithms =
        [(Algorithm::Sha1, "sha1"), (Algorithm::Sha256, "sha256"), (Algorithm::Sha512, "sha512")];
    for number in 0..TOKENS {
        let length = 1 + random.below(140);
        let secret: Vec<u8> = (0..length).map(|_| random.next().to_be_bytes()[0]).collect();
        let digits = u8::try_from(6 + random.below(3)).unwrap();
        let (algorithm, word) = algorithms[usize::try_from(random.below(3)).unwrap()];
        let mut arguments = vec!["-d".to_owned(), digits.to_string(), "-w".to_owned(), MORE.to_string()];
        // oathtool's HOTP is SHA-1 only.
        let first = if algorithm == Algorithm::Sha1 && random.below(2) == 0 {
            let bits = random.below(63);
            let counter = random.below(1 << bits);
            arguments.extend(["--hotp".to_owned(), "-c".to_owned(), counter.to_string()]);
            counter
        } else {
            let period = [30, 60, u32::try_from(1 + random.below(100_000)).unwrap()]
                [usize::try_from(random.below(3)).unwrap()];
            let time = i64::try_from(random.below(20_000_000_000)).unwrap();
            arguments.extend([format!("--totp={word}"), "-s".to_owned(), format!("{period}s")]);
            arguments.extend(["-N".to_owned(), format!("@{time}")]);
            time_step(time, period)
        };
        arguments.push(HEXLOWER.encode(&secret));
        let maker = CodeMaker::new(algorithm, &secret, digits).unwrap();
        let ours: Vec<_> = (first..=first + MORE).map(|counter| maker.code(counter)).collect();
        assert_eq!(ours, oathtool(&arguments), "SEED={seed}, token {number}: oathtool {arguments:?}");
        for (counter, code) in (first..).zip(&ours) {
            let found = maker.find(parse_code(code, digits).unwrap(), first..counter + 1).unwrap();
            assert_eq!(maker.code(found), *code, "SEED={seed}, token {number}");
        }
    }
}
