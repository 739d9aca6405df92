//! The examples of RFC 2865 section 7 and RFC 5997 section 6, vectors of Python's hmac, and what is no reply.

#![expect(clippy::arithmetic_side_effects, reason = "lengths of a few bytes do not overflow")]

use data_encoding::HEXLOWER;

use super::*;

const SECRET: &[u8] = b"xyzzy5461";
const COUNTED: Authenticator = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.replace(char::is_whitespace, "").as_bytes()).unwrap()
}

fn authenticator(hex: &str) -> Authenticator {
    bytes(hex).try_into().unwrap()
}

/// The value of the attribute that was added last.
fn added(request: &Request, length: usize) -> Vec<u8> {
    request.attributes[request.attributes.len() - length..].to_vec()
}

fn sent(identifier: u8, authenticator: Authenticator) -> Sent {
    Request::new(identifier, authenticator).sign(SECRET)
}

/// Makes the reply to request 7 with [`COUNTED`], signed as MD5 signs.
fn signed(code: u8, attributes: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(HEADER + attributes.len()).unwrap().to_be_bytes();
    let head = [code, 7, high, low];
    let authenticator = md5(&[&head, &COUNTED, attributes, SECRET]);
    [&head[..], &authenticator, attributes].concat()
}

/// The same, with a Message-Authenticator in front.
fn good(code: u8, attributes: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(HEADER + 18 + attributes.len()).unwrap().to_be_bytes();
    let mac = hmac(SECRET, &[&[code, 7, high, low], &COUNTED, &[80, 18], &[0; 16], attributes]);
    signed(code, &[&[80, 18], &mac[..], attributes].concat())
}

fn read(datagram: &[u8]) -> Result<Reply, Unusable> {
    Reply::read(datagram, &sent(7, COUNTED), SECRET, true)
}

#[test]
fn a_password_is_hidden_as_in_the_examples_of_rfc_2865() {
    for (authenticator_of_request, password, hidden) in [
        ("0f403f9473978057bd83d5cb98f4227a", "arctangent", "0dbe708d93d413ce3196e43f782a0aee"),
        ("f3a47a1f6a6d76710b947ab93041a039", "challenge", "3365757377828 9b570885e15084825c5"),
        ("b12255 6d428a13d0d6253807c457ecf0", "99101462", "692c1f205fc081b919b95195f561a581"),
    ] {
        let mut request = Request::new(0, authenticator(authenticator_of_request));
        request.add_password(password.as_bytes(), SECRET).unwrap();
        assert_eq!(added(&request, 16), bytes(hidden), "{password}");
    }
}

#[test]
fn a_password_is_hashed_as_in_the_example_of_rfc_2865() {
    let mut request = Request::new(1, authenticator("2aee86f08d0d55969ca5978e0d3367a2"));
    request.add_chap(22, b"arctangent").unwrap();
    assert_eq!(added(&request, 19), bytes("0313 16e97557c316185895f293ff63440772 75"));
}

#[test]
fn the_replies_of_rfc_2865_are_read_where_no_message_authenticator_is_wanted_and_refused_where_one_is() {
    let examples = [
        (
            sent(0, authenticator("0f403f9473978057bd83d5cb98f4227a")),
            "02000026 86fe220e7624ba2a1005f6bf9b55e0b2 060600000001 0f0600000000 0e06c0a80103",
            Code::Accept,
        ),
        (
            sent(1, authenticator("2aee86f08d0d55969ca5978e0d3367a2")),
            "02010038 15efbc7dab26cfa3dc34d9c03c8601a4 060600000002 070600000001 0806fffffffe 0a0600000002
             0d0600000001 0c06000005dc",
            Code::Accept,
        ),
        (
            sent(2, authenticator("f3a47a1f6a6d76710b947ab93041a039")),
            "0b02004e 36f3c8764ae8c71157403c0c71ff9c45 12304368616c6c656e67652033323736393433302e2020456e7465
             7220726573706f6e73652061742070726f6d70742e 180a3332373639343330",
            Code::Challenge,
        ),
        (
            sent(3, authenticator("b122556d428a13d0d6253807c457ecf0")),
            "03030014 a42f4fca45916c4e09c8340f9e746aa0",
            Code::Reject,
        ),
    ];
    for (sent, hex, code) in examples {
        let datagram = bytes(hex);
        let reply = Reply::read(&datagram, &sent, SECRET, false).unwrap();
        assert_eq!(reply.code, code);
        assert_eq!(Reply::read(&datagram, &sent, SECRET, true), Err(Unusable::NoMessageAuthenticator));
        assert_eq!(Reply::read(&datagram, &sent, b"xyzzy5462", false), Err(Unusable::NotSigned));
        if code == Code::Challenge {
            assert_eq!(reply.one(kind::STATE), Some(&b"32769430"[..]));
            let text: Vec<_> = reply.all(kind::REPLY_MESSAGE).collect();
            assert_eq!(text, [b"Challenge 32769430.  Enter response at prompt."]);
        }
    }
}

#[test]
fn a_message_authenticator_is_that_of_rfc_5997_and_of_python() {
    let status = bytes("0cda0026 8a54f4686fb394c52866e302185d0623 5012 00000000000000000000000000000000");
    assert_eq!(hmac(SECRET, &[&status]).to_vec(), bytes("5a665e2e1e8411f3e243822097c84fa3"));
    assert_eq!(hmac(&[b'k'; 100], &[b"te", b"xt"]).to_vec(), bytes("1d8a9ace3e176e5484a5e97856648dc9"));
    let mut request = Request::new(7, COUNTED);
    request.add(kind::USER_NAME, b"nemo").unwrap();
    request.add_password(b"a password of more than sixteen bytes", SECRET).unwrap();
    let python =
        "0107005e000102030405060708090a0b0c0d0e0f501233e5eefc5ebfedbf2d5249eca180f3eb01066e656d6f0232212
        19a89bd653d9321ad4a5e0ca8f404323b50c6ab9f763a05d3b8304be2f133fe3b5d4256944e418651b849aee857cd";
    assert_eq!(request.sign(SECRET).bytes.to_vec(), bytes(python));
    let challenge =
        "0b07002d8a47d0d530c663affb03dcfddcf88a6812044869180355501281b0da034ee44167bd7d4a2b6a1a6d4e";
    let reply = read(&bytes(challenge)).unwrap();
    assert_eq!((reply.code, reply.one(kind::STATE)), (Code::Challenge, Some(&b"U"[..])));
}

#[test]
fn passwords_of_up_to_128_bytes_fit_and_others_are_not_cut() {
    for (length, hidden) in [(0, 16), (1, 16), (16, 16), (17, 32), (127, 128), (128, 128)] {
        let mut request = Request::new(7, COUNTED);
        request.add_password(&vec![b'x'; length], SECRET).unwrap();
        assert_eq!(request.attributes.len(), 18 + 2 + hidden, "{length}");
    }
    let mut request = Request::new(7, COUNTED);
    for (password, unfit) in [(vec![b'x'; 129], Unfit::Password), (b"a\0".to_vec(), Unfit::Nul)] {
        assert_eq!(request.add_password(&password, SECRET), Err(unfit));
        assert_eq!(request.add_chap(1, &password), Err(unfit));
    }
    assert_eq!(request.attributes.len(), 18);
}

#[test]
fn an_attribute_that_does_not_fit_is_not_cut() {
    let mut request = Request::new(7, COUNTED);
    assert_eq!(request.add(kind::USER_NAME, b""), Err(Unfit::Empty));
    assert_eq!(request.add(kind::USER_NAME, &[b'x'; 254]), Err(Unfit::Value));
    assert_eq!(request.add(kind::USER_NAME, &[b'x'; 1000]), Err(Unfit::Value));
    let mut count = 0;
    while request.add(kind::USER_NAME, &[b'x'; 253]).is_ok() {
        count += 1;
    }
    assert_eq!((count, request.add(kind::USER_NAME, &[b'x'; 253])), (15, Err(Unfit::Packet)));
    assert_eq!(request.sign(SECRET).bytes.len(), 20 + 18 + 15 * 255);
}

#[test]
fn a_reply_cut_or_altered_anywhere_is_none() {
    let whole = good(11, b"\x12\x04Hi\x18\x03S");
    assert!(read(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "{length} bytes");
    }
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut altered = whole.clone();
            altered[place] ^= 1 << bit;
            assert!(!read(&altered).unwrap_err().is_signed(), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn what_stands_behind_the_end_is_padding_and_more_than_4096_bytes_are_no_packet() {
    let mut padded = good(2, b"");
    padded.resize(MAX_PACKET, 0xff);
    assert_eq!(read(&padded).unwrap().code, Code::Accept);
    padded.push(0);
    assert_eq!(read(&padded), Err(Unusable::NoPacket));
}

#[test]
fn lengths_codes_and_identifiers_of_others_are_refused_before_anything_is_looked_at() {
    for length in [0_u16, 1, 19, 39, 4096, 4097, 65535] {
        let mut datagram = good(2, b"");
        datagram[2..4].copy_from_slice(&length.to_be_bytes());
        assert!(!read(&datagram).unwrap_err().is_signed(), "{length}");
    }
    for code in (0..=255).filter(|code| ![2, 3, 11].contains(code)) {
        assert_eq!(read(&good(code, b"")), Err(Unusable::Code), "{code}");
    }
    for identifier in (0..=255).filter(|identifier| *identifier != 7) {
        let mut datagram = good(2, b"");
        datagram[1] = identifier;
        assert_eq!(read(&datagram), Err(Unusable::OtherRequest), "{identifier}");
    }
    let other = Reply::read(&good(2, b""), &sent(7, [9; 16]), SECRET, true);
    assert_eq!(other, Err(Unusable::NotSigned), "a reply to an earlier request with this identifier");
}

#[test]
fn attributes_that_do_not_fit_into_the_packet_are_refused_though_they_are_signed() {
    for attributes in [&b"\x12"[..], b"\x12\x00", b"\x12\x01", b"\x12\x05Hi", b"\x12\xff", b"\x12\x04Hi\x18"]
    {
        assert_eq!(read(&signed(2, attributes)), Err(Unusable::Attributes), "{attributes:?}");
    }
}

#[test]
fn attributes_that_may_stand_there_once_are_refused_twice() {
    for attributes in [&b"\x18\x03A\x18\x03B"[..], b"\x4c\x06\0\0\0\0\x4c\x06\0\0\0\x01"] {
        assert_eq!(read(&good(11, attributes)), Err(Unusable::Twice), "{attributes:?}");
    }
    let twice = [&b"\x50\x12"[..], &[0; 16]].concat();
    assert_eq!(read(&good(2, &twice)), Err(Unusable::Twice));
    let reply = read(&good(3, b"\x12\x03a\x12\x03b")).unwrap();
    assert_eq!(reply.all(kind::REPLY_MESSAGE).collect::<Vec<_>>(), [b"a", b"b"]);
}

#[test]
fn a_message_authenticator_is_looked_for_wherever_it_stands_and_has_to_hold() {
    for require in [true, false] {
        let read = |datagram: &[u8]| Reply::read(datagram, &sent(7, COUNTED), SECRET, require);
        for mac in [&[0x55; 16][..], &[0x55; 15], &[0x55; 17], &[]] {
            let length = u8::try_from(mac.len() + 2).unwrap();
            let first = [&[80, length], mac, b"\x12\x03a"].concat();
            let last = [&b"\x12\x03a"[..], &[80, length], mac].concat();
            for attributes in [first, last] {
                let result = read(&signed(2, &attributes));
                assert_eq!(result, Err(Unusable::WrongMessageAuthenticator), "{attributes:?}");
            }
        }
        assert_eq!(read(&good(2, b"\x21\x04PS")), Err(Unusable::ProxyState));
        assert_eq!(read(&signed(2, b"\x21\x04PS")), Err(Unusable::ProxyState));
    }
}
