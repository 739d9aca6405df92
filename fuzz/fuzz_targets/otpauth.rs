//! Any bytes as otpauth URIs; each token that is read is written as a URI and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::token::export::uri;
use sps_plugin::token::import::Format;
use sps_plugin_fuzz::import;

fuzz_target!(|data: &[u8]| {
    let Some(batch) = import(data, Format::Otpauth) else { return };
    for draft in batch.drafts().filter(|draft| !draft.token.user.is_empty()) {
        let uri = uri(&draft.token, &draft.secret).expect("only types with a URI are read");
        let again = import(uri.as_bytes(), Format::Otpauth).expect("what was written is read");
        let read = again.drafts().next().expect("what was written is a token");
        let (token, old) = (&read.token, &draft.token);
        assert_eq!(*read.secret, *draft.secret);
        // A name that looks like a serial is taken for one.
        if !token.user.is_empty() {
            assert_eq!((&token.user, &token.realm), (&old.user, &old.realm));
        }
        assert_eq!(
            (token.token_type, token.algorithm, token.digits),
            (old.token_type, old.algorithm, old.digits)
        );
        assert_eq!((token.period, token.counter), (old.period, old.counter));
    }
});
