//! TLS of the process: the command line as a client, and a certificate that changes under a running server.

use super::{forebay, run, serve::Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{fs, path::Path, time::Duration};

/// Makes an authority, and the files of a server that it signed.
fn issue(dir: &Path, authority: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(dir.join(authority), issuer.pem()).unwrap();
    fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

fn settings(dir: &Path) -> [String; 4] {
    let file = |name| path(dir, name);
    let set = |key: &str, value: String| format!("listen.api.tls.{key}={value}");
    ["--set".into(), set("cert_file", file("cert.pem")), "--set".into(), set("key_file", file("key.pem"))]
}

fn start(dir: &Path) -> Server {
    let data = path(dir, "data");
    let tls = settings(dir);
    let mut args = vec!["--data-dir", &data];
    args.extend(tls.iter().map(String::as_str));
    let mut server = Server::start(&args);
    server.url = server.url.replace("http://", "https://");
    server
}

/// Calls until the server shows a certificate that this authority signed.
fn wait_for(server: &Server, ca_file: &str) {
    for _ in 0..600 {
        if server.client(&["queue", "list", "--ca-file", ca_file]).code == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the new certificate is not shown");
}

#[test]
fn the_command_line_talks_to_a_server_whose_authority_it_knows() {
    let dir = tempfile::tempdir().unwrap();
    issue(dir.path(), "ca.pem");
    let server = start(dir.path());
    let ca = path(dir.path(), "ca.pem");
    let ran = server.client(&["queue", "create", "orders", "--ca-file", &ca]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run(server.command(&["queue", "list"]).env("FOREBAY_CA_FILE", &ca));
    assert!(ran.code == 0 && ran.out.contains("orders"), "{}", ran.err);
    let stranger = server.client(&["queue", "list"]);
    assert_eq!(stranger.code, 6, "the machine's authorities do not know this server: {}", stranger.err);
    let ran = server.client(&["queue", "list", "--ca-file", &path(dir.path(), "nothing.pem")]);
    assert!(ran.code == 2 && ran.err.contains("nothing.pem cannot be read"), "{}", ran.err);
    let ran = server.client(&["queue", "list", "--ca-file", &ca, "--client-cert-file", &ca]);
    assert!(ran.code == 2 && ran.err.contains("go together"), "{}", ran.err);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_certificate_is_read_again_when_it_changes_and_when_the_process_is_told() {
    let dir = tempfile::tempdir().unwrap();
    issue(dir.path(), "first.pem");
    let server = start(dir.path());
    wait_for(&server, &path(dir.path(), "first.pem"));
    issue(dir.path(), "second.pem");
    server.hang_up();
    wait_for(&server, &path(dir.path(), "second.pem"));
    issue(dir.path(), "third.pem");
    wait_for(&server, &path(dir.path(), "third.pem"));
    // What is broken leaves the certificate as it was.
    fs::write(dir.path().join("key.pem"), "nothing").unwrap();
    server.hang_up();
    let ran = server.client(&["queue", "list", "--ca-file", &path(dir.path(), "third.pem")]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(server.end(), 0);
}

#[test]
fn files_that_cannot_be_used_keep_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    issue(dir.path(), "ca.pem");
    let [set, cert, _, key] = settings(dir.path());
    let data = path(dir.path(), "data");
    let serve = |extra: &[&str]| {
        let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data];
        forebay(&[&args[..], extra].concat())
    };
    let ran = serve(&[&set, &cert]);
    assert!(ran.code == 2 && ran.err.contains("there is no listen.api.tls.key_file"), "{}", ran.err);
    let ca = format!("listen.api.tls.client_ca_file={}", path(dir.path(), "ca.pem"));
    let ran = serve(&[&set, &ca]);
    assert!(ran.code == 2 && ran.err.contains("clients show certificates only over TLS"), "{}", ran.err);
    fs::remove_file(dir.path().join("key.pem")).unwrap();
    let ran = serve(&[&set, &cert, &set, &key]);
    assert!(
        ran.code == 1 && ran.err.contains("listen.api.tls.key_file: ") && ran.err.contains("key.pem"),
        "{}",
        ran.err
    );
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn the_same_is_served_at_every_extra_address() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let data = path(dir.path(), "data");
    let extra = format!("listen.extra.addresses=127.0.0.1:{port}");
    let server = Server::start(&["--data-dir", &data, "--set", &extra]);
    assert_eq!(server.client(&["queue", "create", "orders"]).code, 0);
    let other = format!("http://127.0.0.1:{port}");
    let ran = run(server.command(&["queue", "list"]).env("FOREBAY_SERVER", &other));
    assert!(ran.code == 0 && ran.out.contains("orders"), "{}", ran.err);
    let open =
        forebay(&["serve", "--listen", "127.0.0.1:0", "--set", "listen.extra.addresses=127.0.0.1:1,0.0.0.0:4566"]);
    assert!(open.code == 2 && open.err.contains("listen.extra.addresses: 0.0.0.0:4566 can be reached"), "{}", open.err);
    assert_eq!(server.end(), 0);
}
