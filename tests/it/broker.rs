//! A broker for one test: its own directory, its own port, gone with the value.

use forebay::{
    base::{
        name::{AccountId, Region},
        secret::Secret,
        time::{Clock, Timestamp},
    },
    engine::{
        access::KeyFile,
        client::Engine,
        open::open,
        options::{EngineHost, EngineOptions, ScrubOptions, StreamOptions},
    },
    proto::{
        admin::v1::admin_service_client::AdminServiceClient,
        queue::v1::{self as wire, queue_service_client::QueueServiceClient},
    },
    protocol::{
        front::serve,
        port::{drain::Drained, serve::ServerOptions},
    },
    runtime::{SystemClock, SystemEntropy},
    service::{
        access::{
            key::NewKey,
            keys::{AccessKeys, Trust},
        },
        broker::{Broker, Rules, ServerFacts},
    },
    storage::{
        io::{Io, SysIo},
        log::LogOptions,
    },
};
use std::{
    future::Future,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Channel};

/// The key that the broker of a test knows.
pub(crate) const KEY_ID: &str = "AKIATESTTESTTESTTEST";
pub(crate) const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCD";

/// A clock that goes only when it is told to.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(SystemClock.now().as_millis())))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) type Wire = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

pub(crate) fn with_key(mut request: Request<()>) -> Result<Request<()>, Status> {
    request.metadata_mut().insert("authorization", format!("Bearer {KEY_ID}:{SECRET}").parse().unwrap());
    Ok(request)
}

pub(crate) struct TestBroker {
    pub(crate) address: SocketAddr,
    pub(crate) draining: CancellationToken,
    server: Option<JoinHandle<std::io::Result<Drained>>>,
    pub(crate) broker: Arc<Broker>,
    engine: Engine,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) async fn start() -> TestBroker {
    start_with(ServerOptions { drain_timeout: Duration::from_secs(20), ..ServerOptions::default() }).await
}

pub(crate) async fn start_with(options: ServerOptions) -> TestBroker {
    start_limited(options, 120_000, 1000).await
}

pub(crate) async fn start_limited(options: ServerOptions, in_flight_max: usize, queues_max: usize) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let access = access_keys(dir.path());
    start_in(dir, access, options, in_flight_max, queues_max).await
}

/// A broker of the development profile: nobody signs.
pub(crate) async fn start_dev(in_flight_max: usize) -> TestBroker {
    start_dev_with(in_flight_max, ServerOptions::default()).await
}

pub(crate) async fn start_dev_with(in_flight_max: usize, options: ServerOptions) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let access = AccessKeys::open(KeyFile::new(Arc::new(SysIo), dir.path()), Trust::Anybody).unwrap();
    start_in(dir, Arc::new(access), options, in_flight_max, 1000).await
}

/// A broker of the development profile whose engine writes to this disk, with options of the test's choice.
pub(crate) async fn start_on(disk: Arc<dyn Io>, choose: impl FnOnce(&mut EngineOptions)) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let access = AccessKeys::open(KeyFile::new(Arc::new(SysIo), dir.path()), Trust::Anybody).unwrap();
    let mut chosen = engine_options(dir.path());
    choose(&mut chosen);
    let engine = open(&chosen, EngineHost { io: disk, ..engine_host() }).unwrap();
    serve_engine(dir, Arc::new(access), ServerOptions::default(), engine, Arc::new(SystemClock), Rules::default())
}

/// A broker of the development profile that goes by this clock.
pub(crate) async fn start_at(clock: Arc<TestClock>) -> TestBroker {
    start_at_with(clock, Rules::default()).await
}

/// The same under rules of the test's choice.
pub(crate) async fn start_at_with(clock: Arc<TestClock>, rules: Rules) -> TestBroker {
    start_at_in(tempfile::tempdir().unwrap(), clock, rules).await
}

async fn start_at_in(dir: tempfile::TempDir, clock: Arc<TestClock>, rules: Rules) -> TestBroker {
    let access = AccessKeys::open(KeyFile::new(Arc::new(SysIo), dir.path()), Trust::Anybody).unwrap();
    let host = EngineHost { clock: clock.clone(), ..engine_host() };
    let engine = open(&engine_options(dir.path()), host).unwrap();
    serve_engine(dir, Arc::new(access), ServerOptions::default(), engine, clock, rules)
}

/// A broker over a directory that was a broker's, and the keys in it.
pub(crate) async fn start_over(dir: tempfile::TempDir) -> TestBroker {
    let access = AccessKeys::open(KeyFile::new(Arc::new(SysIo), dir.path()), Trust::Keys).unwrap();
    start_in(dir, Arc::new(access), ServerOptions::default(), 120_000, 1000).await
}

async fn start_in(
    dir: tempfile::TempDir,
    access: Arc<AccessKeys>,
    options: ServerOptions,
    in_flight_max: usize,
    queues_max: usize,
) -> TestBroker {
    let limited = EngineOptions { in_flight_max, queues_max, ..engine_options(dir.path()) };
    let engine = open(&limited, engine_host()).unwrap();
    serve_engine(dir, access, options, engine, Arc::new(SystemClock), Rules::default())
}

fn serve_engine(
    dir: tempfile::TempDir,
    access: Arc<AccessKeys>,
    options: ServerOptions,
    engine: Engine,
    clock: Arc<dyn Clock>,
    rules: Rules,
) -> TestBroker {
    let draining = CancellationToken::new();
    let entropy = Box::new(SystemEntropy::default());
    let broker = Broker::new(engine.clone(), clock, entropy, draining.clone(), access, facts(rules));
    let broker = Arc::new(broker);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Some(tokio::spawn(serve(vec![listener], broker.clone(), options)));
    TestBroker { address, draining, server, broker, engine, dir }
}

pub(crate) fn engine_options(dir: &std::path::Path) -> EngineOptions {
    EngineOptions {
        data_dir: dir.to_owned(),
        region: Region::parse("us-east-1").unwrap(),
        partitions: 2,
        in_flight_max: 120_000,
        queues_max: 1000,
        recreate_wait: Duration::from_secs(60),
        inbox_bytes: 64 << 20,
        index: forebay::storage::store::IndexKind::Sled { cache_bytes: 1 << 20 },
        checkpoint_interval: Duration::from_secs(5),
        checkpoint_bytes: 64 << 20,
        log_retain_bytes: 1 << 30,
        log: LogOptions { segment_bytes: 8 << 20, min_free_bytes: 0, min_free_percent: 0, ..LogOptions::default() },
        scrub: ScrubOptions::default(),
        streams: StreamOptions::default(),
    }
}

/// One key, of the server's own account.
fn access_keys(dir: &Path) -> Arc<AccessKeys> {
    let keys = AccessKeys::open(KeyFile::new(Arc::new(SysIo), dir), Trust::Keys).unwrap();
    let account = AccountId::parse("000000000000").unwrap();
    let admin = NewKey { account, user: "admin".into(), policies: Vec::new(), expires: None };
    let now = SystemClock.now();
    keys.add(now, admin.with(now, KEY_ID.into(), Secret::new(SECRET)).unwrap()).unwrap();
    Arc::new(keys)
}

pub(crate) fn engine_host() -> EngineHost {
    EngineHost {
        io: Arc::new(SysIo),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(|| Box::new(SystemEntropy::default())),
        fatal: Arc::new(|why| panic!("{why}")),
    }
}

fn facts(rules: Rules) -> ServerFacts {
    ServerFacts {
        account: AccountId::parse("000000000000").unwrap(),
        public_url: "http://127.0.0.1:9400".into(),
        git_revision: "test",
        storage_format: 1,
        config: Vec::new(),
        set_log_filter: Arc::new(|filter| if filter.contains('!') { Err("odd".into()) } else { Ok(()) }),
        rules,
        keys_in_clear: false,
        memory_bytes: || 1,
        cpu_time: || Duration::from_secs(1),
    }
}

impl TestBroker {
    /// A connection whose calls carry the key.
    pub(crate) async fn channel(&self) -> Wire {
        InterceptedService::new(self.stranger().await, with_key as fn(_) -> _)
    }

    /// A connection whose calls carry none.
    pub(crate) async fn stranger(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn queues(&self) -> QueueServiceClient<Wire> {
        QueueServiceClient::new(self.channel().await)
    }

    pub(crate) async fn admin(&self) -> AdminServiceClient<Wire> {
        AdminServiceClient::new(self.channel().await)
    }

    /// Creates a queue of this name with these settings.
    pub(crate) async fn create(&self, queue_id: &str, queue: wire::Queue) -> wire::Queue {
        let request = wire::CreateQueueRequest { queue_id: queue_id.into(), queue: Some(queue), ..Default::default() };
        self.queues().await.create_queue(request).await.unwrap().into_inner().queue.unwrap()
    }

    /// Ends, and begins again over the same data at this clock's time.
    pub(crate) async fn again_at(mut self, clock: Arc<TestClock>) -> Self {
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        self.end().await;
        start_at_in(dir, clock, Rules::default()).await
    }

    /// Begins the drain and waits for the server's end.
    pub(crate) async fn end(mut self) -> Drained {
        self.draining.cancel();
        self.server.take().unwrap().await.unwrap().unwrap()
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
        let engine = self.engine.clone();
        std::thread::Builder::new().spawn(move || engine.close()).unwrap().join().unwrap();
    }
}

pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

pub(crate) fn message(body: &str) -> wire::Message {
    wire::Message { body: body.to_owned().into(), ..Default::default() }
}

/// A message to a FIFO queue; its body is its deduplication id.
pub(crate) fn grouped(group: &str, body: &str) -> wire::Message {
    wire::Message { group_id: group.into(), deduplication_id: body.into(), ..message(body) }
}

pub(crate) fn bodies(messages: &[wire::ReceivedMessage]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}

pub(crate) fn ack(message: &wire::ReceivedMessage) -> wire::Settlement {
    settle(message, wire::settlement::Outcome::Ack(wire::Ack {}))
}

pub(crate) fn settle(message: &wire::ReceivedMessage, outcome: wire::settlement::Outcome) -> wire::Settlement {
    wire::Settlement { receipt_handle: message.receipt_handle.clone(), outcome: Some(outcome) }
}

/// Waits for what must come; a test that hangs says nothing.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes within a minute")
}
