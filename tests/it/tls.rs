//! TLS on the port: both versions of HTTP, client certificates, and a certificate that changes.

use crate::broker::{TestBroker, soon, start_with, with_key};
use forebay::{
    proto::queue::v1::{self as wire, queue_service_client::QueueServiceClient},
    protocol::port::{serve::ServerOptions, tls::Tls},
    runtime::TlsFiles,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{fs, path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

/// Certificates as PEM: an authority and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Signed {
    cert: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self) -> Signed {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        Signed { cert: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

/// Writes a server's files, and names them.
fn files(dir: &Path, server: &Signed, client_ca: Option<&Authority>) -> TlsFiles {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    TlsFiles {
        cert: write("cert.pem", &server.cert),
        key: write("key.pem", &server.key),
        client_ca: client_ca.map(|ca| write("client-ca.pem", &ca.pem())),
    }
}

async fn start(files: &TlsFiles) -> (TestBroker, Tls) {
    let tls = Tls::new(files.load().unwrap());
    let broker = start_with(ServerOptions { tls: Some(tls.clone()), ..ServerOptions::default() }).await;
    (broker, tls)
}

async fn channel(
    broker: &TestBroker,
    ca: &Authority,
    identity: Option<Signed>,
) -> Result<Channel, tonic::transport::Error> {
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca.pem()));
    let config = match identity {
        Some(signed) => config.identity(Identity::from_pem(signed.cert, signed.key)),
        None => config,
    };
    Channel::from_shared(format!("https://{}", broker.address)).unwrap().tls_config(config)?.connect().await
}

async fn list(channel: Channel) -> Result<(), tonic::Status> {
    let mut client = QueueServiceClient::with_interceptor(channel, with_key);
    client.list_queues(wire::ListQueuesRequest::default()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_is_told_so_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let tls = Some(Tls::new(files(dir.path(), &authority.sign(), None).load().unwrap()));
    let broker = start_with(ServerOptions { tls, max_connections: 1, ..ServerOptions::default() }).await;
    let first = channel(&broker, &authority, None).await.unwrap();
    list(first.clone()).await.unwrap();
    let second = channel(&broker, &authority, None).await.unwrap();
    assert_eq!(soon(list(second)).await.unwrap_err().code(), tonic::Code::ResourceExhausted);
    list(first).await.unwrap();
}

#[tokio::test]
async fn native_calls_run_over_tls_and_only_for_who_trusts_the_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let (broker, _) = start(&files(dir.path(), &ca.sign(), None)).await;
    list(channel(&broker, &ca, None).await.unwrap()).await.unwrap();
    assert!(channel(&broker, &Authority::new(), None).await.is_err(), "signed by somebody else");
    let plain = Channel::from_shared(format!("http://{}", broker.address)).unwrap().connect().await;
    if let Ok(channel) = plain {
        assert!(soon(list(channel)).await.is_err(), "without TLS");
    }
}

/// The answer to one HTTP/1.1 request over TLS, and what both sides agreed to speak.
async fn http1(broker: &TestBroker, ca: &Authority) -> (String, Option<Vec<u8>>) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let socket = TcpStream::connect(broker.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    (String::from_utf8_lossy(&answer).into_owned(), agreed)
}

#[tokio::test]
async fn the_older_http_is_agreed_on_when_the_client_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let (broker, _) = start(&files(dir.path(), &ca.sign(), None)).await;
    let (answer, agreed) = http1(&broker, &ca).await;
    assert_eq!(agreed.as_deref(), Some(&b"http/1.1"[..]));
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[tokio::test]
async fn a_client_shows_a_certificate_when_an_authority_for_clients_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, clients) = (Authority::new(), Authority::new());
    let (broker, _) = start(&files(dir.path(), &ca.sign(), Some(&clients))).await;
    list(channel(&broker, &ca, Some(clients.sign())).await.unwrap()).await.unwrap();
    for identity in [None, Some(ca.sign())] {
        // Over TLS 1.3 a client learns only with its first call that it was refused.
        let refused = match channel(&broker, &ca, identity).await {
            Ok(channel) => soon(list(channel)).await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
}

#[tokio::test]
async fn a_new_certificate_counts_for_new_connections_and_old_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let (broker, tls) = start(&files(dir.path(), &old.sign(), None)).await;
    let before = channel(&broker, &old, None).await.unwrap();
    tls.replace(files(dir.path(), &new.sign(), None).load().unwrap());
    list(channel(&broker, &new, None).await.unwrap()).await.unwrap();
    assert!(channel(&broker, &old, None).await.is_err(), "the old authority did not sign the new certificate");
    list(before).await.unwrap();
}

#[tokio::test]
async fn a_handshake_under_way_does_not_hold_up_the_drain() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, _) = start(&files(dir.path(), &Authority::new().sign(), None)).await;
    let _silent = TcpStream::connect(broker.address).await.unwrap();
    assert_eq!(soon(broker.end()).await.cut_calls, 0);
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_key_and_path() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let (one, other) = (ca.sign(), ca.sign());
    let good = files(dir.path(), &one, Some(&ca));
    good.load().unwrap();
    let missing = dir.path().join("missing.pem");
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let others_key = dir.path().join("other.pem");
    fs::write(&others_key, &other.key).unwrap();
    let table = [
        (TlsFiles { cert: missing.clone(), ..good.clone() }, "listen.api.tls.cert_file: ", "missing.pem"),
        (TlsFiles { cert: empty.clone(), ..good.clone() }, "listen.api.tls.cert_file: ", "has no certificate"),
        (TlsFiles { key: missing.clone(), ..good.clone() }, "listen.api.tls.key_file: ", "missing.pem"),
        (TlsFiles { key: good.cert.clone(), ..good.clone() }, "listen.api.tls.key_file: ", "cert.pem"),
        (TlsFiles { client_ca: Some(empty), ..good.clone() }, "listen.api.tls.client_ca_file: ", "has no certificate"),
        (TlsFiles { key: others_key, ..good.clone() }, "do not go together", "KeyMismatch"),
    ];
    for (files, start, part) in table {
        let error = files.load().unwrap_err().to_string();
        assert!(error.contains(start) && error.contains(part), "{error}");
    }
}
