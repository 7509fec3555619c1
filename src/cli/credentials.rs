//! Which access key the client calls with, and a connection that puts it on every call.

use super::Failure;
use clap::Args;
use http::{HeaderValue, header::AUTHORIZATION};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
    task::{Context, Poll},
};
use tonic::{
    body::Body,
    transport::{Channel, channel::ResponseFuture},
};
use tower::Service;

/// The access key to call with.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct KeyArgs {
    /// The id of the access key to call with [default: AWS_ACCESS_KEY_ID, if it is set]
    #[arg(
        long,
        global = true,
        value_name = "ID",
        env = "FOREBAY_ACCESS_KEY_ID",
        hide_env_values = true,
        help_heading = "Server"
    )]
    access_key_id: Option<String>,
    /// A file with its secret, - for standard input [default: FOREBAY_SECRET_ACCESS_KEY or AWS_SECRET_ACCESS_KEY]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    secret_access_key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// What goes into the header of every call; none without a key.
    fn authorization(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<HeaderValue>, Failure> {
        let given = |name: &str| variable(name).filter(|text| !text.is_empty());
        let named = self.access_key_id.clone().filter(|id| !id.is_empty());
        let (id, secret_variable) = match (named, given("AWS_ACCESS_KEY_ID")) {
            (Some(id), _) => (id, "FOREBAY_SECRET_ACCESS_KEY"),
            (None, Some(id)) => (id, "AWS_SECRET_ACCESS_KEY"),
            (None, None) if self.secret_access_key_file.is_some() => {
                return Err(Failure::usage("--secret-access-key-file needs an id").hint("name it with --access-key-id"));
            }
            (None, None) => return Ok(None),
        };
        let secret = match &self.secret_access_key_file {
            Some(file) => read_secret(file)?,
            None => given(secret_variable).ok_or_else(|| {
                let text = format!("the secret of access key {id} is not given");
                Failure::usage(text)
                    .hint(format!("set {secret_variable}, or name a file with --secret-access-key-file"))
            })?,
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {id}:{secret}"))
            .map_err(|_| Failure::usage("the access key has characters that a header cannot carry"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// A secret from a file, or from standard input for `-`; the end of its line does not count.
pub(crate) fn read_secret(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A connection to a server; every call over it carries the key.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    channel: Channel,
    authorization: Option<HeaderValue>,
}

impl Wire {
    pub(crate) fn new(channel: Channel, key: &KeyArgs) -> Result<Self, Failure> {
        Ok(Self { channel, authorization: key.authorization(|name| std::env::var(name).ok())? })
    }
}

impl Service<http::Request<Body>> for Wire {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> ResponseFuture {
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        Service::call(&mut self.channel, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(id: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<String>, Failure> {
        let key = KeyArgs { access_key_id: id.map(ToOwned::to_owned), secret_access_key_file: None };
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let value = key.authorization(variable)?;
        Ok(value.map(|value| value.to_str().expect("ASCII").to_owned()))
    }

    #[test]
    fn our_own_variables_win_over_those_of_aws_and_never_mix_with_them() {
        let aws = [("AWS_ACCESS_KEY_ID", "theirs"), ("AWS_SECRET_ACCESS_KEY", "s1")];
        let both = [aws[0], aws[1], ("FOREBAY_SECRET_ACCESS_KEY", "s2")];
        assert_eq!(header(None, &[]), Ok(None));
        assert_eq!(header(None, &aws), Ok(Some("Bearer theirs:s1".into())));
        assert_eq!(header(Some("ours"), &both), Ok(Some("Bearer ours:s2".into())));
        assert_eq!(header(Some(""), &aws), Ok(Some("Bearer theirs:s1".into())));
        let missing = header(Some("ours"), &aws).expect_err("their secret is not ours");
        assert!(missing.to_string().contains("set FOREBAY_SECRET_ACCESS_KEY"), "{missing}");
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_not_shown() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = dir.path().join("secret");
        std::fs::write(&file, "s/e+c:ret\r\n").expect("written");
        let key = KeyArgs { access_key_id: Some("id".into()), secret_access_key_file: Some(file) };
        let value = key.authorization(|_| None).expect("read").expect("a key");
        assert_eq!(value.as_bytes(), b"Bearer id:s/e+c:ret");
        assert!(!format!("{value:?}").contains("ret"));
        let alone = KeyArgs { access_key_id: None, ..key };
        assert!(alone.authorization(|_| None).is_err());
    }
}
