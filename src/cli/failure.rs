//! What goes wrong with a command, and the status that goes with it.

use anyhow::{Error, anyhow};

use crate::answer::StartError;
use crate::config::settings::SettingError;
use crate::locker::{self, LockerError};
use crate::store::{BackupError, StoreError};
use crate::token::chain::ChainError;
use crate::token::enroll::EnrollError;
use crate::token::import::ImportError;
use crate::token::naming::NamingError;
use crate::token::resync::ResyncError;

/// A sentence for stderr, and the exit status.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) status: u8,
}

impl Failure {
    /// What was typed cannot be done.
    pub(super) fn mistake(error: impl Into<Error>) -> Self {
        Self { error: error.into(), status: 2 }
    }

    /// What was typed cannot be done, for a reason that this layer knows.
    pub(super) fn because(sentence: String) -> Self {
        Self::mistake(anyhow!(sentence))
    }

    /// What was typed is right, and does not work.
    pub(super) fn fault(error: impl Into<Error>) -> Self {
        Self { error: error.into(), status: 1 }
    }

    /// A serial that names no token.
    pub(super) fn no_token(serial: &str) -> Self {
        Self::because(format!("there is no token {}", crate::logging::Short(serial)))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Exists(_) | StoreError::CredentialExists { .. }) {
            Self::mistake(error)
        } else {
            Self::fault(error)
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => error.into(),
            BackupError::NoState(_) | BackupError::FileExists(_) | BackupError::StateExists(_) => {
                Self::mistake(error)
            }
            BackupError::File { .. }
            | BackupError::Copy { .. }
            | BackupError::NoFile(_)
            | BackupError::NoBackup(_) => Self::fault(error),
        }
    }
}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        if let ChainError::Store(error) = error { error.into() } else { Self::mistake(error) }
    }
}

impl From<EnrollError> for Failure {
    fn from(error: EnrollError) -> Self {
        match error {
            EnrollError::Store(error) => error.into(),
            EnrollError::Chain(error) => error.into(),
            EnrollError::Naming(_)
            | EnrollError::Realms(_)
            | EnrollError::Known { .. }
            | EnrollError::NotFor { .. }
            | EnrollError::Needs { .. }
            | EnrollError::Range { .. }
            | EnrollError::NotThePassword(_) => Self::mistake(error),
        }
    }
}

impl From<ResyncError> for Failure {
    fn from(error: ResyncError) -> Self {
        if let ResyncError::Store(error) = error { error.into() } else { Self::mistake(error) }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        if let ImportError::Store(error) = error { error.into() } else { Self::mistake(error) }
    }
}

impl From<LockerError> for Failure {
    fn from(error: LockerError) -> Self {
        if let LockerError::Store(error) = error { error.into() } else { Self::fault(error) }
    }
}

impl From<locker::import::ImportError> for Failure {
    fn from(error: locker::import::ImportError) -> Self {
        if let locker::import::ImportError::Store(error) = error {
            error.into()
        } else {
            Self::mistake(error)
        }
    }
}

impl From<NamingError> for Failure {
    fn from(error: NamingError) -> Self {
        Self::mistake(error)
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        Self::mistake(error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::mistake(error)
    }
}
