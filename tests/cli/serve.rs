//! `forebay serve` as a process: what it refuses, what it leaves behind, and what the offline commands make of that.

use super::{Ran, command, forebay, run};
use assert_cmd::Command;
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    thread::JoinHandle,
};

/// The key of the tests that are about something else.
const KEY: (&str, &str) = ("AKIATESTTESTTESTTEST", "0123456789abcdefghijklmnopqrstuvwxyzABCD");

/// Adds a key to a data directory that no broker uses.
fn import(dir: &str, id: &str, secret: &str) {
    let args = ["access", "key", "import", "--id", id, "--secret-file", "-", "--data-dir", dir];
    let ran = run(command(&args).write_stdin(format!("{secret}\n")));
    assert_eq!(ran.code, 0, "{}", ran.err);
}

/// A running server; killed when the test fails before it ends.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    /// The key that a first start showed.
    key: Option<(String, String)>,
    /// Everything it wrote until it was ready.
    log: Vec<String>,
    /// What it writes from then on: read all the time, so that it never waits for a reader.
    rest: Option<JoinHandle<Vec<String>>>,
}

impl Server {
    /// Waits until the log says which port it is.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", args)
    }

    pub(crate) fn start_at(address: &str, args: &[&str]) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"));
        command.args([
            "serve",
            "--listen",
            address,
            "--set",
            "storage.min_free=0%",
            "--set",
            "storage.segment_size=16MiB",
        ]);
        let child = command.args(args).env_clear().stderr(Stdio::piped()).spawn().unwrap();
        // From here on it is ended with the value, also when the test panics.
        let mut server = Self { child, url: String::new(), key: None, log: Vec::new(), rest: None };
        let mut lines = BufReader::new(server.child.stderr.take().unwrap()).lines();
        let (mut id, mut secret) = (None, None);
        while let Some(Ok(line)) = lines.next() {
            id = line.strip_prefix("export FOREBAY_ACCESS_KEY_ID=").map(ToOwned::to_owned).or(id);
            secret = line.strip_prefix("export FOREBAY_SECRET_ACCESS_KEY=").map(ToOwned::to_owned).or(secret);
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "ready" {
                server.url = format!("http://{}", event["address"].as_str().unwrap());
                server.key = id.zip(secret);
                let reader = std::thread::Builder::new().name("log".into());
                server.rest = Some(reader.spawn(move || lines.map_while(Result::ok).collect()).unwrap());
                return server;
            }
            server.log.push(line);
        }
        panic!("the server did not start: {:?}", server.log);
    }

    /// On a directory whose only key is [`KEY`].
    pub(crate) fn on(dir: &Path) -> Self {
        let path = dir.to_str().unwrap();
        let known = forebay(&["access", "key", "list", "--data-dir", path]);
        if !known.out.contains(KEY.0) {
            import(path, KEY.0, KEY.1);
        }
        Self::start(&["--data-dir", path])
    }

    pub(crate) fn client(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    /// A command line that calls the server with its key.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let shown = self.key.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        self.command_with(shown.unwrap_or(KEY), args)
    }

    fn client_with(&self, key: (&str, &str), args: &[&str]) -> Ran {
        run(&mut self.command_with(key, args))
    }

    fn command_with(&self, (id, secret): (&str, &str), args: &[&str]) -> Command {
        let mut command = command(args);
        command.env("FOREBAY_SERVER", &self.url);
        command.env("FOREBAY_ACCESS_KEY_ID", id).env("FOREBAY_SECRET_ACCESS_KEY", secret);
        command
    }

    /// Asks it to look at its files.
    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Where it listens, for the one that takes its place.
    pub(crate) fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    /// Asks it to end.
    fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(mut self) -> i32 {
        self.terminate();
        self.child.wait().unwrap().code().unwrap()
    }

    /// Everything it wrote since it was ready, once it has ended.
    fn rest(&mut self) -> (i32, Vec<serde_json::Value>) {
        let code = self.child.wait().unwrap().code().unwrap();
        let lines = self.rest.take().unwrap().join().unwrap();
        (code, lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already in a test that went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_address_that_others_reach_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let ran = forebay(&["serve", "--data-dir", data, "--listen", "0.0.0.0:0"]);
    assert!(ran.code == 2 && ran.err.contains("listen.api.insecure = true"), "{}", ran.err);
    let ran = forebay(&["serve", "--dev", "--listen", "0.0.0.0:0", "--set", "listen.api.insecure=true"]);
    assert!(ran.code == 2 && ran.err.contains("--dev listens on loopback only"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_in_use_is_refused_to_everybody_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path());
    let path = dir.path().to_str().unwrap();
    let second = forebay(&["serve", "--listen", "127.0.0.1:0", "--data-dir", path]);
    assert_eq!(second.code, 1, "{}", second.err);
    assert!(second.err.contains("is in use by process") && second.err.contains("--data-dir"), "{}", second.err);
    assert!(!second.err.contains("storage verify"), "it would be refused too: {}", second.err);
    let offline = forebay(&["storage", "inspect", "--data-dir", path]);
    assert!(offline.code == 1 && offline.err.contains("stop the broker first"), "{}", offline.err);
    assert_eq!(server.end(), 0);
    assert_eq!(forebay(&["storage", "inspect", "--data-dir", path]).code, 0);
}

#[test]
fn what_was_sent_is_there_after_a_restart_and_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "create", "orders"]).code, 0);
    assert_eq!(server.client(&["queue", "send", "orders", "from before"]).code, 0);
    assert_eq!(server.end(), 0);

    let verified = forebay(&["storage", "verify", "--data-dir", path]);
    assert_eq!((verified.code, verified.out.as_str()), (0, ""), "{}", verified.err);
    assert!(verified.err.contains("after a clean shutdown: 0 problems"), "{}", verified.err);
    let facts: serde_json::Value =
        serde_json::from_str(&forebay(&["storage", "inspect", "--data-dir", path]).out).unwrap();
    assert!(facts["entries"].as_u64().unwrap() >= 2 && facts["bad_frames"] == 0, "{facts}");
    let segments = forebay(&["storage", "inspect", "--segments", "--data-dir", path]).out;
    assert!(segments.lines().count() > 0);
    let dumped = forebay(&["storage", "dump", "--bodies", "--data-dir", path]).out;
    let entry = |kind: &str| {
        let rows = dumped.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.into_iter().find(|row| row["kind"] == kind)
    };
    assert!(entry("QUEUE_DEFINED").unwrap()["header"].as_str().unwrap().contains("orders"), "{dumped}");
    assert_eq!(entry("SENT").unwrap()["body"], "from before", "{dumped}");
    let repaired = forebay(&["storage", "repair", "--data-dir", path]);
    assert!(repaired.code == 0 && repaired.err.contains("nothing to repair"), "{}", repaired.err);

    let server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "receive", "orders", "--raw", "--ack"]).out, "from before\n");
    assert_eq!(server.end(), 0);
}

#[test]
fn trying_out_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.args(["serve", "--dev", "--listen", "not an address"]).env_clear().env("TMPDIR", temporary.path());
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_first_start_shows_a_key_once_and_takes_calls_with_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let server = Server::start(&["--data-dir", path]);
    let (id, secret) = server.key.clone().expect("a first start shows a key");
    let key = (id.as_str(), secret.as_str());
    let me: serde_json::Value = serde_json::from_str(&server.client_with(key, &["access", "whoami"]).out).unwrap();
    assert_eq!(
        (&me["arn"], &me["access_key_id"]),
        (&"arn:aws:iam::000000000000:user/admin".into(), &id.as_str().into())
    );
    assert_eq!(server.client_with(key, &["queue", "create", "orders"]).code, 0);
    for wrong in [(id.as_str(), "wrong"), ("AKIANOBODY", secret.as_str())] {
        let refused = server.client_with(wrong, &["queue", "list"]);
        assert_eq!((refused.code, refused.out.as_str()), (5, ""), "{}", refused.err);
        assert!(refused.err.contains("UNAUTHENTICATED") && refused.err.contains("FOREBAY_ACCESS_KEY_ID"));
    }
    let without = run(command(&["queue", "list"]).env("FOREBAY_SERVER", &server.url));
    assert!(without.code == 5 && without.err.contains("hint: set FOREBAY_ACCESS_KEY_ID"), "{}", without.err);
    let aws = run(command(&["queue", "list"])
        .env("FOREBAY_SERVER", &server.url)
        .env("AWS_ACCESS_KEY_ID", &id)
        .env("AWS_SECRET_ACCESS_KEY", &secret));
    assert_eq!(aws.code, 0, "{}", aws.err);
    assert_eq!(server.end(), 0);

    let again = Server::start(&["--data-dir", path]);
    assert_eq!(again.key, None, "it is shown once");
    assert!(!again.log.iter().any(|line| line.contains(&secret)), "{:?}", again.log);
    assert_eq!(again.client_with(key, &["queue", "get", "orders"]).code, 0);
    assert_eq!(again.end(), 0);
}

#[test]
fn keys_are_made_listed_and_revoked_with_and_without_a_broker() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not/there/yet");
    let path = path.to_str().unwrap();
    let offline = |args: &[&str]| forebay(&[&["access", "key"], args, &["--data-dir", path]].concat());
    let made = offline(&["create", "--user", "ann", "--account", "111111111111"]);
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap_or_else(|_| panic!("{}", made.err));
    assert_eq!(made["arn"], "arn:aws:iam::111111111111:user/ann");
    let ann = (made["access_key_id"].as_str().unwrap(), made["secret_access_key"].as_str().unwrap());
    import(path, "admins-own", "a secret that is long".replace(' ', "_").as_str());
    let admin = ("admins-own", "a_secret_that_is_long");

    let server = Server::start(&["--data-dir", path]);
    assert_eq!(server.key, None, "there are keys already");
    let busy = offline(&["list"]);
    assert!(busy.code == 1 && busy.err.contains("is in use by process"), "{}", busy.err);
    let rows = |ran: Ran| -> Vec<String> {
        assert_eq!(ran.code, 0, "{}", ran.err);
        let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["access_key_id"].to_string();
        ran.out.lines().map(row).collect()
    };
    assert_eq!(rows(server.client_with(admin, &["access", "key", "list"])).len(), 2);
    assert_eq!(rows(server.client_with(ann, &["access", "key", "list"])).len(), 1);
    let denied = server.client_with(ann, &["access", "key", "create", "--account", "000000000000"]);
    assert!(denied.code == 5 && denied.err.contains("ACCESS_DENIED"), "{}", denied.err);
    let made = server.client_with(admin, &["access", "key", "create", "--user", "bob", "--expires-after", "1d"]);
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    let bob = (made["access_key_id"].as_str().unwrap(), made["secret_access_key"].as_str().unwrap());
    assert!(made["expire_time"].is_string());
    assert_eq!(server.client_with(bob, &["queue", "list"]).code, 0);
    assert_eq!(server.client_with(admin, &["access", "key", "revoke", bob.0]).code, 2, "nobody can be asked");
    assert_eq!(server.client_with(admin, &["access", "key", "revoke", bob.0, "--yes"]).code, 0);
    assert!(server.client_with(bob, &["queue", "list"]).err.contains("is disabled"));
    assert_eq!(server.client_with(admin, &["access", "key", "revoke", "nobody", "--yes"]).code, 4);
    assert_eq!(server.end(), 0);

    let listed = offline(&["list"]);
    assert!(listed.out.contains("\"disabled\":true") && listed.out.contains("last_used_time"), "{}", listed.out);
    assert!(!listed.out.contains(ann.1) && !listed.out.contains(admin.1), "{}", listed.out);
    assert_eq!(offline(&["revoke", ann.0, "--yes", "--delete"]).code, 0);
    assert!(!offline(&["list"]).out.contains(ann.0));
}

#[test]
fn the_first_key_can_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("key"));
    let setting = format!("auth.bootstrap_key_file={}", file.display());
    let args = ["--data-dir", data.to_str().unwrap(), "--set", setting.as_str()];
    for (text, why) in
        [(None, "No such file"), (Some("no pair"), "ID:SECRET"), (Some("a/b:secret"), "3 to 128 letters")]
    {
        text.iter().for_each(|text| std::fs::write(&file, text).unwrap());
        let refused = forebay(&[&["serve", "--listen", "127.0.0.1:0"], &args[..]].concat());
        assert!(refused.code == 1 && refused.err.contains(why), "{}", refused.err);
    }
    std::fs::write(&file, format!("{}:{}\n", KEY.0, KEY.1)).unwrap();
    let server = Server::start(&args);
    assert!(server.key.is_none() && !server.log.iter().any(|line| line.contains(KEY.1)), "{:?}", server.log);
    assert_eq!(server.client(&["queue", "list"]).code, 0);
    assert_eq!(server.end(), 0);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(Server::start(&args).end(), 0, "it is read for the first key only");
}

#[test]
fn a_server_with_damaged_keys_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    assert_eq!(Server::on(dir.path()).end(), 0);
    let keys = dir.path().join("access/keys");
    let sound = std::fs::read(&keys).unwrap();
    std::fs::write(&keys, &sound[..sound.len() - 1]).unwrap();
    let ran = forebay(&["serve", "--listen", "127.0.0.1:0", "--data-dir", path]);
    assert!(ran.code == 1 && ran.err.contains("access/keys is damaged"), "{}", ran.err);
    assert!(forebay(&["storage", "verify", "--data-dir", path]).out.contains("access/keys"));
    std::fs::write(&keys, &sound).unwrap();
    let server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "list"]).code, 0);
}

#[test]
fn the_development_profile_believes_everybody_and_says_so() {
    let server = Server::start(&["--dev"]);
    assert!(
        server.key.is_none() && server.log.iter().any(|line| line.contains("DEVELOPMENT PROFILE")),
        "{:?}",
        server.log
    );
    let arn = |ran: Ran| {
        let me: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        me["arn"].as_str().unwrap().to_owned()
    };
    let whoami = ["access", "whoami"];
    assert_eq!(arn(server.client_with(("123456789012", "x"), &whoami)), "arn:aws:iam::123456789012:root");
    assert_eq!(arn(server.client_with(("test", "test"), &whoami)), "arn:aws:iam::000000000000:root");
    assert_eq!(arn(run(command(&whoami).env("FOREBAY_SERVER", &server.url))), "arn:aws:iam::000000000000:root");
    assert_eq!(server.client_with(("123456789012", "x"), &["queue", "create", "orders"]).code, 0);
    assert_eq!(server.client_with(("test", "x"), &["queue", "get", "orders"]).code, 4, "accounts are apart");
    assert_eq!(server.end(), 0);
}

#[test]
fn denied_and_administrative_calls_are_in_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::on(dir.path());
    let log = server.rest.take().unwrap();
    assert_eq!(server.client(&["queue", "create", "orders"]).code, 0);
    assert_eq!(server.client(&["queue", "send", "orders", "hello"]).code, 0);
    assert_eq!(server.client_with((KEY.0, "wrong"), &["queue", "list"]).code, 5);
    assert_eq!(server.client(&["queue", "get", "namespaces/111111111111/queues/orders"]).code, 5);
    let key = ["access", "key", "create", "--user", "bob", "--account", "111111111111"];
    assert_eq!(server.client(&key).code, 0);
    assert_eq!(server.end(), 0);
    let mut events: Vec<serde_json::Value> =
        log.join().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.retain(|event| event["target"] == "audit");
    let [created, unknown, denied, allowed, key] = &events[..] else { panic!("{events:?}") };
    assert_eq!(created["who"], "arn:aws:iam::000000000000:user/admin");
    assert_eq!((&created["key"], &created["from"]), (&KEY.0.into(), &"127.0.0.1".into()));
    assert_eq!((&created["action"], &created["decision"]), (&"sqs:CreateQueue".into(), &"allowed".into()));
    assert!(created["resource"].as_str().unwrap().contains("000000000000@us-east-1"));
    assert_eq!((&unknown["who"], &unknown["decision"]), (&"unknown".into(), &"denied".into()));
    assert_eq!((&denied["decision"], &denied["level"]), (&"denied".into(), &"WARN".into()));
    assert!(denied["why"].is_string() && denied["resource"].as_str().unwrap().contains("111111111111"));
    assert_eq!((&allowed["action"], &allowed["decision"]), (&"forebay:CreateAccessKey".into(), &"allowed".into()));
    assert_eq!((&key["who"], &key["decision"]), (&created["who"], &"done".into()));
    let (start, end) = ("access key AKIA", " of arn:aws:iam::111111111111:user/bob");
    assert!(key["resource"].as_str().is_some_and(|key| key.starts_with(start) && key.ends_with(end)), "{key}");
}

#[test]
fn a_server_that_dies_under_a_call_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "create", "orders"]).code, 0);
    let mut waiting = server.command(&["queue", "receive", "orders", "--wait", "20s"]);
    let waiting = std::thread::Builder::new().spawn(move || run(&mut waiting)).unwrap();
    // The queue counts those who wait.
    loop {
        let got = server.client(&["queue", "get", "orders"]);
        let queue: serde_json::Value = serde_json::from_str(&got.out).unwrap_or_else(|_| panic!("{}", got.err));
        if queue["stats"]["consumers"].as_u64().unwrap_or(0) == 1 {
            break;
        }
    }
    server.child.kill().unwrap();
    let ran = waiting.join().unwrap();
    assert_eq!((ran.code, ran.out.as_str()), (6, ""), "{}", ran.err);
    assert!(ran.err.contains(&format!("the connection to {} broke: ", server.url)), "{}", ran.err);
}

/// A command that runs beside the test; killed when the test fails before it ends.
pub(crate) struct Consumer {
    child: Child,
    pub(crate) lines: Box<dyn Iterator<Item = String>>,
}

impl Consumer {
    fn start(server: &Server, args: &[&str]) -> Self {
        Self::run(server, &[&["queue", "consume", "orders"], args].concat())
    }

    pub(crate) fn run(server: &Server, args: &[&str]) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"));
        command.args(args).args(["--server", &server.url]);
        command.env("FOREBAY_ACCESS_KEY_ID", KEY.0).env("FOREBAY_SECRET_ACCESS_KEY", KEY.1);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines: Box::new(lines.map_while(Result::ok)) }
    }

    pub(crate) fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    pub(crate) fn interrupt(self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.wait()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // It has ended already in a test that went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_consumer_goes_on_when_its_server_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "create", "orders"]).code, 0);
    let mut consumer = Consumer::start(&server, &["--raw"]);
    let address = server.address();
    let send = |server: &Server, body: &str| assert_eq!(server.client(&["queue", "send", "orders", body]).code, 0);

    send(&server, "before");
    assert_eq!(consumer.lines.next().as_deref(), Some("before"));
    assert_eq!(server.end(), 0, "a drain does not wait for a consumer that has nothing to do");
    let server = Server::start_at(&address, &["--data-dir", path]);
    send(&server, "after a drain");
    assert_eq!(consumer.lines.next().as_deref(), Some("after a drain"));
    drop(server);
    let server = Server::start_at(&address, &["--data-dir", path]);
    send(&server, "after a kill");
    assert_eq!(consumer.lines.next().as_deref(), Some("after a kill"));
    assert_eq!(consumer.interrupt(), 0);
    assert_eq!(server.client(&["queue", "peek", "orders"]).out, "", "everything printed is acknowledged");
    assert_eq!(server.end(), 0);
}

#[test]
fn a_second_signal_ends_a_server_that_still_waits_for_calls() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let mut server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "create", "orders"]).code, 0);
    assert_eq!(server.client(&["queue", "send", "orders", "acknowledged"]).code, 0);
    // A command that holds a message keeps the drain waiting.
    let exec = format!("touch {path}/begun; until [ -e {path}/go ]; do sleep 0.02; done");
    let consumer = Consumer::start(&server, &["--reconnect", "0s", "--exec", &exec]);
    while !dir.path().join("begun").exists() {
        std::thread::yield_now();
    }
    server.terminate();
    while std::net::TcpStream::connect(server.address()).is_ok() {
        std::thread::yield_now();
    }
    server.terminate();
    let (code, log) = server.rest();
    assert_eq!(code, 1);
    assert!(log.iter().any(|line| line["message"] == "ending at once; the next start replays the log"), "{log:?}");
    std::fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(consumer.wait(), 6, "its server is gone");
    let server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "peek", "orders"]).out.lines().count(), 1);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_drain_waits_no_longer_than_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    import(dir.path().to_str().unwrap(), KEY.0, KEY.1);
    let mut server = Server::start(&["--data-dir", dir.path().to_str().unwrap(), "--set", "server.drain_timeout=10ms"]);
    // A socket that says nothing is a connection, and no call.
    let silent = std::net::TcpStream::connect(server.address()).unwrap();
    assert_eq!(server.client(&["queue", "list"]).code, 0);
    server.terminate();
    let (code, log) = server.rest();
    assert_eq!(code, 0);
    let stopped = log.iter().find(|line| line["message"] == "stopped; everything acknowledged is on disk");
    assert_eq!(stopped.unwrap()["cut_calls"], 0, "{log:?}");
    drop(silent);
}
