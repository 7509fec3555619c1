//! Values that are right alone and impossible together.

use super::{Config, Origin, Problem, Value};
use std::{collections::BTreeMap, iter, net::SocketAddr};

/// Adds a problem for every impossible pair, at the place that set its first key.
pub(super) fn check(config: &Config, values: &BTreeMap<&'static str, Value>, problems: &mut Vec<Problem>) {
    let mut refuse = |key: &str, text: String, suggestion: &str| {
        let origin = values.get(key).map_or(Origin::Default, |value| value.origin.clone());
        problems.push(Problem { origin, text, suggestion: Some(suggestion.to_owned()) });
    };
    listeners(config, &mut refuse);
    tls(config, &mut refuse);
    if config.limits.inbox_bytes < config.api.max_request_bytes {
        let text = "limits.inbox_bytes is smaller than listen.api.max_request_bytes, so the largest request could never be taken";
        refuse("limits.inbox_bytes", text.to_owned(), "raise the first or lower the second");
    }
    if config.consume.max_outstanding_messages > config.limits.consume_outstanding_messages {
        let text = "consume.defaults.max_outstanding_messages is larger than limits.consume_outstanding_messages";
        refuse("consume.defaults.max_outstanding_messages", text.to_owned(), "lower the first or raise the second");
    }
}

/// Nobody else may read what passes, and no two listeners may have one address.
fn listeners(config: &Config, refuse: &mut impl FnMut(&str, String, &str)) {
    let extra = config.extra.addresses.iter().map(|address| ("listen.extra.addresses", address));
    let all = || iter::once(("listen.api.address", &config.api.address)).chain(extra.clone());
    let open = config.tls.cert_file.is_none() && !config.api.insecure;
    if let Some((key, address)) = all().find(|(_, address)| open && !address.ip().is_loopback()) {
        let text = format!("{key}: {address} can be reached from other machines, and there is no TLS");
        let suggestion = "listen on 127.0.0.1, name a certificate in listen.api.tls.cert_file, or set \
                          listen.api.insecure = true if the network is trusted";
        refuse(key, text, suggestion);
    }
    let twice = |index: usize, address: &SocketAddr| all().take(index).any(|(_, earlier)| earlier == address);
    if let Some((_, (key, address))) = all().enumerate().find(|(index, (_, address))| {
        // Port 0 is another one each time.
        address.port() != 0 && twice(*index, address)
    }) {
        refuse(key, format!("{key}: {address} is named twice"), "name each address once");
    }
}

/// A certificate and its key come together, and clients are only asked for theirs over TLS.
fn tls(config: &Config, refuse: &mut impl FnMut(&str, String, &str)) {
    let tls = &config.tls;
    match (&tls.cert_file, &tls.key_file) {
        (Some(_), None) => {
            let text = "listen.api.tls.cert_file: there is no listen.api.tls.key_file with its private key";
            refuse("listen.api.tls.cert_file", text.to_owned(), "name both files");
        }
        (None, Some(_)) => {
            let text = "listen.api.tls.key_file: there is no listen.api.tls.cert_file to which it belongs";
            refuse("listen.api.tls.key_file", text.to_owned(), "name both files");
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if tls.client_ca_file.is_some() && tls.cert_file.is_none() {
        let text = "listen.api.tls.client_ca_file: clients show certificates only over TLS, and there is none";
        refuse("listen.api.tls.client_ca_file", text.to_owned(), "name a certificate in listen.api.tls.cert_file");
    }
}
