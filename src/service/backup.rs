//! Backups of the server's store, into a directory of the machine it runs on.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    check,
};
use crate::{
    base::{limits, reason::Refusal},
    engine::backup::{self, RunningBackup},
};
use std::path::{Component, Path};

/// What is heard of a backup.
pub type BackupStep = backup::BackupStep;

const RULE: &str = "an absolute path without ..";

impl Broker {
    /// Adds a restore point to the directory of backups, which is made when it is not there.
    pub fn create_backup(&self, caller: &Caller, directory: &str) -> Result<RunningBackup, Refusal> {
        self.authorise_server(caller, Action::CreateBackup)?;
        self.refuse_when_draining()?;
        check::text("directory", directory, limits::PATH_CHARS)?;
        let path = Path::new(directory);
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !path.is_absolute() || !plain || path.parent().is_none() {
            return Err(check::outside("directory", format!("{:?}", check::shorten(directory)), RULE));
        }
        self.engine.start_backup(path.to_owned())
    }
}
