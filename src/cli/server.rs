//! `forebay server`: runs a broker from afar.

use super::{
    Failure,
    client::{Caller, ClientArgs, Consent, block_on},
    output::{Output, OutputArgs, Record},
    progress::Bar,
    storage_status::StorageStatus,
    value, verify,
};
use crate::{
    config::unit::show_size,
    proto::admin::v1::{
        Connection, DrainRequest, GetServerInfoRequest, GetServerInfoResponse, GetStatusRequest, GetStatusResponse,
        ListConnectionsRequest, SetLogFilterRequest,
    },
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Version, capabilities, limits and addresses
    Info,
    /// Readiness, disk, log and what holds its oldest segment, memory, last recovery and alarms
    Status,
    /// List connections
    Connections,
    /// Set the log filter until the next start
    Log {
        /// A level, or directives such as info,forebay::engine=debug
        filter: String,
    },
    /// Stop accepting calls, finish open ones, then exit
    Drain {
        /// How long open calls may take [default: server.drain_timeout]
        #[arg(long, value_name = "TIME", value_parser = value::duration)]
        grace: Option<Duration>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Read the sealed files of the log and check them, while the server goes on
    Verify {
        /// Bytes a second to read [default: storage.scrub_rate, without which as fast as the disk gives]
        #[arg(long, value_name = "SIZE", value_parser = value::size)]
        rate: Option<u64>,
    },
}

pub(crate) fn run(args: ServerArgs) -> Result<(), Failure> {
    let mut output = Output::new(&args.output);
    if let Action::Drain { consent, .. } = &args.action {
        consent.ask(&format!("Shut down the server at {}?", args.client.server))?;
    }
    let server = args.client.server.clone();
    let bar = Bar::new(args.output.quiet || !matches!(args.action, Action::Verify { .. }));
    block_on(&server, async {
        let caller = Caller::connect(&args.client).await?;
        let mut admin = caller.admin();
        match args.action {
            Action::Info => {
                let info = admin.get_server_info(caller.request(GetServerInfoRequest {})).await?.into_inner();
                output.one(&Info::from(info))
            }
            Action::Status => {
                let status = admin.get_status(caller.request(GetStatusRequest {})).await?.into_inner();
                output.one(&Status::from(status))
            }
            Action::Connections => connections(&caller, output).await,
            Action::Log { filter } => {
                admin.set_log_filter(caller.request(SetLogFilterRequest { filter: filter.clone() })).await?;
                output.note(&format!("the log filter is {filter} until the next start"));
                Ok(())
            }
            Action::Verify { rate } => verify::run(&caller, rate, &bar, output).await,
            Action::Drain { grace, .. } => {
                admin.drain(caller.request(DrainRequest { grace: grace.map(value::to_proto) })).await?;
                output.note("the server finishes what is open and exits");
                Ok(())
            }
        }
    })
}

async fn connections(caller: &Caller, mut output: Output) -> Result<(), Failure> {
    let mut request = ListConnectionsRequest { page_size: 1000, page_token: String::new() };
    let mut rows = Vec::new();
    loop {
        let page = caller.admin().list_connections(caller.request(request.clone())).await?.into_inner();
        rows.extend(page.connections.into_iter().map(ConnectionRow::from));
        if page.next_page_token.is_empty() {
            return output.list(&rows);
        }
        request.page_token = page.next_page_token;
    }
}

#[derive(Serialize)]
struct Info {
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    git_revision: String,
    storage_format: u32,
    region: String,
    account_id: String,
    capabilities: Vec<String>,
    endpoints: BTreeMap<String, String>,
    limits: BTreeMap<String, u64>,
}

impl From<GetServerInfoResponse> for Info {
    fn from(info: GetServerInfoResponse) -> Self {
        Self {
            version: info.version,
            git_revision: info.git_revision,
            storage_format: info.storage_format,
            region: info.region,
            account_id: info.account_id,
            capabilities: info.capabilities,
            endpoints: info.endpoints.into_iter().collect(),
            limits: info.limits.into_iter().collect(),
        }
    }
}

impl Record for Info {
    const COLUMNS: &'static [&'static str] =
        &["version", "revision", "storage format", "region", "account id", "capabilities", "endpoints", "limits"];

    fn cells(&self) -> Vec<String> {
        let endpoints: Vec<_> = self.endpoints.iter().map(|(name, address)| format!("{name} {address}")).collect();
        let limits: Vec<_> = self.limits.iter().map(|(name, limit)| format!("{name} {limit}")).collect();
        vec![
            self.version.clone(),
            self.git_revision.clone(),
            self.storage_format.to_string(),
            self.region.clone(),
            self.account_id.clone(),
            self.capabilities.join("\n"),
            endpoints.join("\n"),
            limits.join("\n"),
        ]
    }
}

#[derive(Serialize)]
struct Status {
    ready: bool,
    start_time: String,
    disk_used_bytes: u64,
    disk_free_bytes: u64,
    memory_bytes: u64,
    cpu_time: String,
    log_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    alarms: Vec<String>,
    storage: StorageStatus,
    refused_connections: u64,
}

#[derive(Serialize)]
struct Recovery {
    duration: String,
    replayed_frames: u64,
    truncated_bytes: u64,
    clean_shutdown: bool,
}

impl From<GetStatusResponse> for Status {
    fn from(status: GetStatusResponse) -> Self {
        let recovery = status.recovery.map(|recovery| Recovery {
            duration: value::show(recovery.duration),
            replayed_frames: recovery.replayed_frames,
            truncated_bytes: recovery.truncated_bytes,
            clean_shutdown: recovery.clean_shutdown,
        });
        Self {
            ready: status.ready,
            start_time: value::show_time(status.start_time),
            disk_used_bytes: status.disk_used_bytes,
            disk_free_bytes: status.disk_free_bytes,
            memory_bytes: status.memory_bytes,
            cpu_time: value::show(status.cpu_time),
            log_blocks: status.log_blocks,
            recovery,
            alarms: status.alarms,
            storage: status.storage.unwrap_or_default().into(),
            refused_connections: status.refused_connections,
        }
    }
}

impl Record for Status {
    const COLUMNS: &'static [&'static str] = {
        let [storage, log, streams, oldest, scrub] = StorageStatus::COLUMNS;
        &[
            "ready",
            "started",
            "disk",
            storage,
            log,
            streams,
            oldest,
            scrub,
            "memory",
            "processor",
            "last recovery",
            "refused",
            "alarms",
        ]
    };

    fn cells(&self) -> Vec<String> {
        let recovery = self.recovery.as_ref().map(|recovery| {
            let before = if recovery.clean_shutdown { "a clean shutdown" } else { "an unclean end" };
            let cut = show_size(recovery.truncated_bytes);
            format!("{} after {before}: {} frames read, {cut} cut", recovery.duration, recovery.replayed_frames)
        });
        let [storage, log, streams, oldest, scrub] = self.storage.cells();
        vec![
            if self.ready { "yes" } else { "no" }.to_owned(),
            self.start_time.clone(),
            format!("{} used, {} free", show_size(self.disk_used_bytes), show_size(self.disk_free_bytes)),
            storage,
            log,
            streams,
            oldest,
            scrub,
            show_size(self.memory_bytes),
            self.cpu_time.clone(),
            recovery.unwrap_or_default(),
            format!("{} connections", self.refused_connections),
            self.alarms.join(" "),
        ]
    }
}

#[derive(Serialize)]
struct ConnectionRow {
    id: String,
    peer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    principal: String,
    client: String,
    open_time: String,
    received_bytes: u64,
    sent_bytes: u64,
    open_calls: u32,
}

impl From<Connection> for ConnectionRow {
    fn from(connection: Connection) -> Self {
        Self {
            id: connection.id,
            peer: connection.peer,
            principal: connection.principal,
            client: connection.client,
            open_time: value::show_time(connection.open_time),
            received_bytes: connection.received_bytes,
            sent_bytes: connection.sent_bytes,
            open_calls: connection.open_calls,
        }
    }
}

impl Record for ConnectionRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "peer", "principal", "client", "since", "received", "sent", "calls"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.peer.clone(),
            self.principal.clone(),
            self.client.clone(),
            self.open_time.clone(),
            show_size(self.received_bytes),
            show_size(self.sent_bytes),
            self.open_calls.to_string(),
        ]
    }
}
