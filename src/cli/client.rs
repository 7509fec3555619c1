//! The connection to a server, and what its answers mean for an exit code.

use super::{
    Exit, Failure,
    credentials::{KeyArgs, Wire},
    output::note,
    tls::TlsArgs,
    value,
};
use crate::{
    config::unit::show_duration,
    proto::{
        access::v1::access_service_client::AccessServiceClient, admin::v1::admin_service_client::AdminServiceClient,
        common::v1::EntryError, queue::v1::queue_service_client::QueueServiceClient,
        stream::v1::stream_service_client::StreamServiceClient,
    },
};
use clap::Args;
use std::{
    error::Error as _,
    future::Future,
    pin::{Pin, pin},
    time::Duration,
};
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Endpoint};
use tonic_types::StatusExt as _;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// More than any server sends in one answer, so that the client is never the one to refuse.
const ANSWER_BYTES_MAX: usize = 256 << 20;
const CLIENT_NAME: &str = concat!("forebay-cli/", env!("CARGO_PKG_VERSION"));

/// Which server to call.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClientArgs {
    /// The server to call
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "FOREBAY_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:9400",
        help_heading = "Server"
    )]
    pub(crate) server: String,
    /// How long to wait for an answer
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", value_parser = value::duration, help_heading = "Server")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// A connection with the habits of this client.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    channel: Wire,
    timeout: Duration,
}

impl Caller {
    pub(crate) async fn connect(args: &ClientArgs) -> Result<Self, Failure> {
        let endpoint = endpoint(&args.server, &args.tls)?;
        let channel = endpoint.connect().await.map_err(|error| unreachable(&args.server, &error))?;
        Ok(Self { channel: Wire::new(channel, &args.key)?, timeout: args.timeout })
    }

    pub(crate) fn queues(&self) -> QueueServiceClient<Wire> {
        QueueServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn streams(&self) -> StreamServiceClient<Wire> {
        StreamServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn access(&self) -> AccessServiceClient<Wire> {
        AccessServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn admin(&self) -> AdminServiceClient<Wire> {
        AdminServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn channel(&self) -> Wire {
        self.channel.clone()
    }

    /// A request that says who asks and how long it waits.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.request_with_wait(message, Duration::ZERO)
    }

    /// The same for a call that the server may hold for `wait` before it answers.
    pub(crate) fn request_with_wait<T>(&self, message: T, wait: Duration) -> Request<T> {
        let mut request = self.stream(message);
        request.set_timeout(self.timeout + wait);
        request
    }

    /// The same for a call that lives until one side ends it.
    pub(crate) fn stream<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-forebay-client", MetadataValue::from_static(CLIENT_NAME));
        request
    }
}

/// The address of a server, with the settings of this client.
pub(crate) fn endpoint(server: &str, tls: &TlsArgs) -> Result<Endpoint, Failure> {
    let url = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let endpoint = Endpoint::from_shared(url).map_err(|error| {
        Failure::usage(format!("--server {server:?} is not an address: {error}"))
            .hint("for example: http://127.0.0.1:9400")
    })?;
    let endpoint = endpoint.user_agent(CLIENT_NAME).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(tls
        .apply(endpoint)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(16 << 20))
}

pub(crate) fn unreachable(server: &str, error: &tonic::transport::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    Failure::new(Exit::Unreachable, format!("cannot reach {server}: {text}"))
        .hint("start a server with: forebay serve")
        .hint("name another server with --server or FOREBAY_SERVER")
}

/// Runs a client command on a runtime of its own. A connection to `server` that breaks is named in the failure.
pub(crate) fn block_on<T>(server: &str, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Behind a pointer, or the whole command is compiled into each part of the runtime that its type passes through.
    let work: Pin<&mut dyn Future<Output = _>> = pin!(work);
    runtime.block_on(work).map_err(|failure| if failure.lost_connection { lost(server, failure) } else { failure })
}

fn lost(server: &str, failure: Failure) -> Failure {
    let text = format!("the connection to {server} broke: {}", failure.text);
    Failure { text, ..failure }.hint("what the call did is not known: look before you repeat it")
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone());
        let mut failure = Self::new(exit(status.code(), reason.as_deref()), text(&status));
        if reason.is_none() && is_lost(&status) {
            failure = Self { exit: Exit::Unreachable, lost_connection: true, ..failure };
        }
        if status.code() == Code::Unauthenticated {
            failure = failure
                .hint("set FOREBAY_ACCESS_KEY_ID and FOREBAY_SECRET_ACCESS_KEY to a key that the server knows")
                .hint("the first start of a server shows one; forebay access key create makes more");
        }
        if let Some(request) = details.bad_request() {
            let violations = request.field_violations.iter().filter(|found| !failure.text.contains(&found.description));
            let lines: Vec<_> = violations.map(|found| format!("{}: {}", found.field, found.description)).collect();
            failure.hints.extend(lines);
        }
        if let Some(wait) = details.retry_info().and_then(|info| info.retry_delay) {
            failure = failure.hint(format!("try again in {}", show_duration(wait)));
        }
        if let Some(help) = details.help() {
            failure.hints.extend(help.links.iter().map(|link| format!("{}: {}", link.description, link.url)));
        }
        match reason {
            Some(reason) => failure.reason(&reason),
            None => failure,
        }
    }
}

/// Whether the transport failed, and not the call.
fn is_lost(status: &Status) -> bool {
    matches!(status.code(), Code::Unknown | Code::Unavailable | Code::Internal) && status.source().is_some()
}

fn text(status: &Status) -> String {
    match (status.message(), status.code()) {
        ("", code) => format!("the server answered {code:?}"),
        (message, Code::Unavailable | Code::Unknown | Code::Internal) => match deepest(status) {
            Some(cause) if cause != message => cause,
            Some(_) | None => message.to_owned(),
        },
        (message, _) => message.to_owned(),
    }
}

/// What lies at the bottom of a status that the transport made: the ones above say only that it failed.
fn deepest(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(below) = cause.source() {
        cause = below;
    }
    Some(cause.to_string())
}

fn exit(code: Code, reason: Option<&str>) -> Exit {
    match code {
        Code::Ok => Exit::Done,
        Code::NotFound => Exit::NotFound,
        Code::PermissionDenied | Code::Unauthenticated => Exit::Denied,
        Code::Unavailable | Code::DeadlineExceeded => Exit::Unreachable,
        Code::InvalidArgument if matches!(reason, None | Some("INVALID_ARGUMENT")) => Exit::Usage,
        Code::Cancelled if reason.is_none() => Exit::Unreachable,
        Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Exit::Failed,
    }
}

/// Tells about the entries of a batch that failed, and turns their number into a failure of the whole.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    done: usize,
    failed: usize,
    last: Option<EntryError>,
}

impl Entries {
    /// The failure of a call with one entry.
    pub(crate) fn only(error: &EntryError) -> Failure {
        let exit = exit(Code::from_i32(error.code), Some(&error.reason));
        Failure::new(exit, error.message.clone()).reason(&error.reason)
    }

    pub(crate) fn done(&mut self, count: usize) {
        self.done += count;
    }

    /// Prints the error of one entry; `entry` says which.
    pub(crate) fn failed(&mut self, entry: &str, error: &EntryError) {
        note(&format!("{entry}: {}: {}", error.reason, error.message));
        self.failed_silently(error);
    }

    /// The same for an entry whose error is that of the whole.
    pub(crate) fn failed_silently(&mut self, error: &EntryError) {
        self.failed += 1;
        self.last = Some(error.clone());
    }

    pub(crate) fn finish(self, what: &str) -> Result<(), Failure> {
        let Some(last) = self.last else { return Ok(()) };
        let total = self.done + self.failed;
        if self.done > 0 {
            let text = format!("{} of {total} {what} failed", self.failed);
            return Err(Failure::new(Exit::Partly, text).reason(&last.reason));
        }
        Err(Self::only(&last))
    }
}

/// What a person must say before something is destroyed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Consent {
    /// Do it without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
}

impl Consent {
    /// Asks on a terminal.
    ///
    /// # Errors
    /// When the answer is no, or nobody can be asked.
    pub(crate) fn ask(&self, question: &str) -> Result<(), Failure> {
        use std::io::{BufRead as _, IsTerminal as _, Write as _};
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format!("{question} Nobody can be asked")).hint("say --yes if you mean it"));
        }
        write!(std::io::stderr(), "{question} [y/N] ")?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::failed("nothing was done")),
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
