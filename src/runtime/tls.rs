//! The certificate's files: read at the start, read again when one of them changes or SIGHUP asks for it.

use crate::{config, protocol::port::tls::Tls};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

const CERT_FILE: &str = "listen.api.tls.cert_file";
const KEY_FILE: &str = "listen.api.tls.key_file";
const CLIENT_CA_FILE: &str = "listen.api.tls.client_ca_file";
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What is wrong with the files of a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{key}: {} cannot be read as PEM: {source}", path.display())]
    Pem { key: &'static str, path: PathBuf, source: pem::Error },
    #[error("{key}: {} has no certificate in it", path.display())]
    Empty { key: &'static str, path: PathBuf },
    #[error("{key}: {} is not usable: {why}", path.display())]
    Unusable { key: &'static str, path: PathBuf, why: String },
    #[error("{CERT_FILE} and {KEY_FILE} do not go together: {source}")]
    Pair { source: rustls::Error },
}

/// Which files make the certificate of a server.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Set: clients must show a certificate that one of these authorities signed.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// `None` when there shall be no TLS.
    pub(super) fn of(tls: &config::Tls) -> Option<Self> {
        let (cert, key) = tls.cert_file.clone().zip(tls.key_file.clone())?;
        Some(Self { cert, key, client_ca: tls.client_ca_file.clone() })
    }

    /// Reads the files.
    ///
    /// # Errors
    /// The file that cannot be read or used, and the key that names it.
    pub fn load(&self) -> Result<ServerConfig, TlsError> {
        let chain = certificates(CERT_FILE, &self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|source| TlsError::Pem {
            key: KEY_FILE,
            path: self.key.clone(),
            source,
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Pair { source })?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let unusable = |why| TlsError::Unusable { key: CLIENT_CA_FILE, path: path.clone(), why };
                let mut roots = RootCertStore::empty();
                for certificate in certificates(CLIENT_CA_FILE, path)? {
                    roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| unusable(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|source| TlsError::Pair { source })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// What tells one state of the files from another; a file that is not there is a state too.
    fn state(&self) -> Vec<Option<(u64, i64, i64, u64)>> {
        let state = |path: &PathBuf| {
            let facts = fs::metadata(path).ok()?;
            Some((facts.ino(), facts.mtime(), facts.mtime_nsec(), facts.len()))
        };
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().map(state).collect()
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let broken = |source| TlsError::Pem { key, path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(broken)?.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    if found.is_empty() {
        return Err(TlsError::Empty { key, path: path.to_owned() });
    }
    Ok(found)
}

/// Looks at the files from now on, and gives the port what they hold when they change. Must be called on a runtime.
pub(super) fn watch(files: TlsFiles, tls: Tls) -> io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    tokio::spawn(keep_fresh(files, tls, hangup));
    Ok(())
}

async fn keep_fresh(files: TlsFiles, tls: Tls, mut hangup: Signal) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = files.state();
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            _ = hangup.recv() => true,
        };
        let state = files.state();
        if !asked && state == known {
            continue;
        }
        known = state;
        match files.load() {
            Ok(config) => {
                tls.replace(config);
                tracing::info!(cert_file = %files.cert.display(), "new connections get the certificate as it is now");
            }
            Err(error) => tracing::error!(%error, "the certificate was not read again; the old one stays in use"),
        }
    }
}
