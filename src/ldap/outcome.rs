//! How an operation ended: the result code, and what Active Directory and password policies say of a refused password.

use std::fmt;

/// What a server said at the end of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The result code (RFC 4511 section 4.1.9).
    pub code: ResultCode,
    /// What Active Directory adds to a refused password, in the hexadecimal number behind `data`.
    pub windows: Option<WindowsError>,
    /// What a password policy adds, also to a password that is right.
    pub policy: Option<PolicyError>,
}

impl Outcome {
    /// Whether the operation was done.
    pub fn is_success(&self) -> bool {
        self.code == ResultCode::SUCCESS
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(windows) = self.windows {
            write!(f, ", data {:x}: {}", windows.0, windows.meaning())?;
        }
        match self.policy {
            Some(policy) => write!(f, ", password policy: {}", policy.meaning()),
            None => Ok(()),
        }
    }
}

/// A result code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultCode(pub u32);

impl ResultCode {
    /// Done.
    pub const SUCCESS: Self = Self(0);
    /// There is more than was asked for.
    pub const SIZE_LIMIT_EXCEEDED: Self = Self(4);
    /// The password is wrong, or whatever the server does not want to tell.
    pub const INVALID_CREDENTIALS: Self = Self(49);

    /// Whether the server is there but cannot work now, so that another one may.
    pub fn is_outage(self) -> bool {
        matches!(self.0, 51 | 52)
    }

    /// Whether a bind that ends with this is a refusal of the one who binds, rather than of how.
    pub fn is_refusal(self) -> bool {
        // noSuchObject, invalidDNSyntax, inappropriateAuthentication, invalidCredentials, unwillingToPerform.
        matches!(self.0, 32 | 34 | 48 | 49 | 53)
    }

    fn name(self) -> &'static str {
        match self.0 {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            4 => "sizeLimitExceeded",
            8 => "strongerAuthRequired",
            10 => "referral",
            11 => "adminLimitExceeded",
            12 => "unavailableCriticalExtension",
            13 => "confidentialityRequired",
            14 => "saslBindInProgress",
            16 => "noSuchAttribute",
            17 => "undefinedAttributeType",
            18 => "inappropriateMatching",
            21 => "invalidAttributeSyntax",
            32 => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            80 => "other",
            _ => "result",
        }
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// A Windows error code in the diagnostic message of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowsError(u32);

impl WindowsError {
    /// Finds `, data 52e,` in a diagnostic message; the rest of the message goes nowhere.
    pub(super) fn find(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("data ")?;
        let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        let number = u32::from_str_radix(digits, 16).ok()?;
        (digits.len() <= 8).then_some(Self(number))
    }

    /// The names of `winerror.h`, as sentences.
    fn meaning(self) -> &'static str {
        match self.0 {
            0x525 => "there is no such user",
            0x52e => "the password is wrong, or there is no such user",
            0x52f => "the account may not log in so",
            0x530 => "not at this time",
            0x531 => "not from this computer",
            0x532 => "the password has expired",
            0x533 => "the account is disabled",
            0x568 => "the account is in too many groups",
            0x701 => "the account has expired",
            0x773 => "the password has to be changed first",
            0x775 => "the account is locked",
            _ => "unknown",
        }
    }
}

/// The error in a password policy response (draft-behera-ldap-password-policy-10 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyError(pub(super) u8);

impl PolicyError {
    fn meaning(self) -> &'static str {
        match self.0 {
            0 => "the password has expired",
            1 => "the account is locked",
            2 => "the password has to be changed first",
            _ => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Option<String> {
        let outcome = Outcome {
            code: ResultCode::INVALID_CREDENTIALS,
            windows: WindowsError::find(message),
            policy: None,
        };
        outcome.windows.map(|_| outcome.to_string())
    }

    #[test]
    fn the_number_of_active_directory_is_told_apart() {
        let message = |data: &str| {
            format!(
                "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v2580\0"
            )
        };
        for (data, meaning) in [
            ("52e", "invalidCredentials (49), data 52e: the password is wrong, or there is no such user"),
            ("533", "invalidCredentials (49), data 533: the account is disabled"),
            ("773", "invalidCredentials (49), data 773: the password has to be changed first"),
            ("775", "invalidCredentials (49), data 775: the account is locked"),
            ("abc", "invalidCredentials (49), data abc: unknown"),
        ] {
            assert_eq!(of(&message(data)).as_deref(), Some(meaning));
        }
        for other in ["", "data", "data ", "data ,", "data 123456789", "no number"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
