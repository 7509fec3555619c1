//! Tables of leases: every call authorised, then asked of the engine.

use super::{
    authorise::{Action, Resource},
    broker::{Broker, Caller},
};
use crate::{
    base::reason::Refusal,
    domain::table::{Answer, Request, TableError, read::Search, schema::TablePath, write},
};

impl Broker {
    /// `action`: what policies call it.
    ///
    /// # Errors
    ///
    /// The outer refusal is the broker's, the inner one that of the tables.
    pub async fn ask_tables(
        &self,
        caller: &Caller,
        action: Action,
        request: Request,
    ) -> Result<Result<Answer, TableError>, Refusal> {
        self.authorise_tables(caller, action, &request)?;
        self.engine.ask_tables(request).await
    }

    /// Asks for every table that the request names. The parts of a transaction are what they are alone.
    fn authorise_tables(&self, caller: &Caller, action: Action, request: &Request) -> Result<(), Refusal> {
        match request {
            Request::List { namespace, .. } => self.authorise(caller, action, Resource::Namespace(namespace)),
            Request::Create(create) => self.authorise_table(caller, action, &create.path, None),
            Request::Describe(path) | Request::Change(path, _) | Request::Remove(path) => {
                self.authorise_table(caller, action, path, None)
            }
            Request::Get(get) => self.authorise_table(caller, action, &get.table, None),
            Request::GetBatch(gets) => self.authorise_each(caller, gets.iter().map(|get| (action, &get.table))),
            Request::Search(search) => {
                let Search { table, index, .. } = &**search;
                self.authorise_table(caller, action, table, index.as_deref())
            }
            Request::Write(write) => self.authorise_table(caller, action, &write.table, None),
            Request::WriteBatch(writes) => {
                self.authorise_each(caller, writes.iter().map(|write| (action, &write.table)))
            }
            Request::Transact(writes) => {
                self.authorise_each(caller, writes.iter().map(|write| (action_of(&write.action), &write.table)))
            }
        }
    }

    /// Each pair once, however often it stands there in a row.
    fn authorise_each<'a>(
        &self,
        caller: &Caller,
        wanted: impl Iterator<Item = (Action, &'a TablePath)>,
    ) -> Result<(), Refusal> {
        let mut before = None;
        for (action, table) in wanted {
            if before.replace((action, table)) != Some((action, table)) {
                self.authorise_table(caller, action, table, None)?;
            }
        }
        Ok(())
    }

    fn authorise_table(
        &self,
        caller: &Caller,
        action: Action,
        table: &TablePath,
        index: Option<&str>,
    ) -> Result<(), Refusal> {
        let name = match index {
            Some(index) => format!("table/{}/index/{index}", table.name),
            None => format!("table/{}", table.name),
        };
        self.authorise(caller, action, Resource::Part("dynamodb", &table.namespace, &name))
    }
}

fn action_of(action: &write::Action) -> Action {
    match action {
        write::Action::Put(_) => Action::PutItem,
        write::Action::Update(..) => Action::UpdateItem,
        write::Action::Delete(_) => Action::DeleteItem,
        write::Action::Check(_) => Action::CheckItem,
    }
}
