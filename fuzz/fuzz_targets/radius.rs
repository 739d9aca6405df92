//! Any bytes as a RADIUS reply: as they are, and signed. Only what is signed is taken apart, and only what carries a
//! Message-Authenticator that holds is a reply.
#![no_main]

use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};
use sps_plugin::mfa::radius_packet::{MAX_PACKET, Reply, Request, Sent, Unusable, kind};

const SECRET: &[u8] = b"secret";
const AUTHENTICATOR: [u8; 16] = *b"0123456789abcdef";

fn read(datagram: &[u8], sent: &Sent, is_required: bool) -> Result<Reply, Unusable> {
    let result = Reply::read(datagram, sent, SECRET, is_required);
    if let Ok(reply) = &result {
        assert!((20..=MAX_PACKET).contains(&datagram.len()) && matches!(datagram[0], 2 | 3 | 11));
        let length: usize = (0..=255).flat_map(|kind| reply.all(kind)).map(|value| value.len() + 2).sum();
        assert!(length + 20 <= datagram.len());
        assert!(!is_required || reply.one(kind::MESSAGE_AUTHENTICATOR).is_some_and(|mac| mac.len() == 16));
        for once in [kind::STATE, kind::PROMPT, kind::MESSAGE_AUTHENTICATOR] {
            assert!(reply.all(once).count() <= 1);
        }
        assert!(reply.one(kind::PROXY_STATE).is_none());
    }
    result
}

/// Writes the header for these attributes and the Response Authenticator that belongs there.
fn signed(code: u8, attributes: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + attributes.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = [code, 7, high, low];
    let hash = Md5::digest([&head[..], &AUTHENTICATOR, attributes, SECRET].concat());
    [&head[..], &hash, attributes].concat()
}

fuzz_target!(|data: &[u8]| {
    let sent = Request::new(7, AUTHENTICATOR).sign(SECRET);
    let as_it_is = read(data, &sent, false);
    // Nobody guesses sixteen bytes.
    assert!(as_it_is.is_err(), "{as_it_is:?}");
    let Some((&code, attributes)) = data.split_first() else { return };
    let plain = signed(code, attributes);
    let without = read(&plain, &sent, false);
    if read(&plain, &sent, true).is_ok() {
        panic!("a Message-Authenticator was guessed");
    }
    let [high, low] = u16::try_from(38 + attributes.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut mac = Hmac::<Md5>::new_from_slice(SECRET).expect("a key of any length is taken");
    mac.update(&[&[code, 7, high, low][..], &AUTHENTICATOR, &[80, 18], &[0; 16], attributes].concat());
    let with_mac = [&[80, 18][..], &mac.finalize().into_bytes(), attributes].concat();
    let with = read(&signed(code, &with_mac), &sent, true);
    // What is a reply without a Message-Authenticator is one with it, unless it grows too long.
    let fits = plain.len() + 18 <= MAX_PACKET;
    assert!(without.is_err() || !fits || with.is_ok(), "{without:?} {with:?}");
    if let (Ok(without), Ok(with)) = (without, with) {
        assert_eq!(without.code, with.code);
        for kind in (0..=255).filter(|kind| *kind != kind::MESSAGE_AUTHENTICATOR) {
            assert!(without.all(kind).eq(with.all(kind)));
        }
    }
});
