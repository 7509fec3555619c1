//! How the client knows the server, and the server the client, when the address begins with `https://`.

use super::Failure;
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TlsArgs {
    /// The authorities (PEM) that may have signed the server's certificate [default: those of this machine]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FOREBAY_CA_FILE",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub(crate) ca_file: Option<PathBuf>,
    /// The certificate (PEM) to show to a server that asks for one
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FOREBAY_CLIENT_CERT_FILE",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub(crate) client_cert_file: Option<PathBuf>,
    /// The private key (PEM) of that certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FOREBAY_CLIENT_KEY_FILE",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub(crate) client_key_file: Option<PathBuf>,
}

impl TlsArgs {
    /// The endpoint with TLS, if its address asks for it.
    pub(super) fn apply(&self, endpoint: Endpoint) -> Result<Endpoint, Failure> {
        if endpoint.uri().scheme_str() != Some("https") {
            return Ok(endpoint);
        }
        let config = match &self.ca_file {
            Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("--ca-file", file)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        let config = match (&self.client_cert_file, &self.client_key_file) {
            (Some(cert), Some(key)) => {
                let identity = Identity::from_pem(read("--client-cert-file", cert)?, read("--client-key-file", key)?);
                config.identity(identity)
            }
            (None, None) => config,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Failure::usage("--client-cert-file and --client-key-file go together"));
            }
        };
        endpoint.tls_config(config).map_err(|error| Failure::usage(format!("TLS cannot be used: {error}")))
    }
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::usage(format!("{flag}: {} cannot be read: {error}", file.display())))
}
