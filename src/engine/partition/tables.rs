//! Partition 0's tables of leases: decided and answered here, from memory.

use super::worker::Worker;
use crate::{
    domain::table::{Answer as Told, Limits, Request, TableError},
    engine::{command::Answer, journal::Record},
};

impl Worker {
    /// Items whose time is over end first. All that one request changes is in one frame: a crash keeps all of it or nothing.
    pub(super) fn ask_tables(&mut self, request: &Request, limits: &Limits, answer: Answer<Result<Told, TableError>>) {
        let ended = self.state.tables.expire(self.now());
        ended.into_iter().for_each(|event| self.record(Record::Table(event)));
        let result = self.state.tables.ask(self.now(), request, limits).map(|(events, told)| {
            events.into_iter().for_each(|event| self.record(Record::Table(event)));
            told
        });
        // A caller that is gone does not hear of it; what was written stays all the same.
        self.reply(Box::new(move || drop(answer.send(Ok(result)))));
    }
}
