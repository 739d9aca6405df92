//! The providers of second factors: the one table. `docs/writing-a-provider.md` says how to add a row.

use super::provider::{MfaProvider, MfaProviders};
use super::{http, ldap, linotp, local, none, privacyidea, radius, yubico};

/// Every provider, in the order in which errors list them.
pub static PROVIDERS: MfaProviders = MfaProviders::new(&[
    &http::PROVIDER,
    &none::PROVIDER,
    &privacyidea::EDUMFA,
    &privacyidea::PRIVACYIDEA,
    &linotp::PROVIDER,
    &radius::PROVIDER,
    &yubico::PROVIDER,
    &ldap::PROVIDER,
    LOCAL,
]);

/// The provider that asks for approvals, and that `[mfa] fallback` names.
pub(super) const LOCAL: &MfaProvider = &local::PROVIDER;

/// The option that names the realm of local tokens if a command does not.
pub(crate) use super::local::REALM as LOCAL_REALM;
/// For the fuzzer.
pub use super::radius::packet as radius_packet;
/// For the fuzzer.
pub use super::yubico::YubicoResponse;
