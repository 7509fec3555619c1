//! The ceiling: reads each request, checks its signature, answers nothing.

use super::{
    Failure,
    client::{Key, STORES_NOTHING},
};
use bytes::Bytes;
use forebay::{
    base::time::Timestamp,
    protocol::aws::sigv4::{Claim, Head, Verifier},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::SystemTime};

/// Runs until the process ends, on threads of its own like the broker's.
pub(super) fn start(key: Key) -> Result<SocketAddr, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let shared = Arc::new((Verifier::default(), key));
    std::thread::spawn(move || {
        runtime.block_on(async move {
            while let Ok((socket, _)) = listener.accept().await {
                if let Err(error) = socket.set_nodelay(true) {
                    eprintln!("a connection: {error}");
                }
                let shared = shared.clone();
                let service = service_fn(move |request| answer(shared.clone(), request));
                // A client that goes away ends its connection; here is nothing to say about it.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
    });
    Ok(address)
}

async fn answer(shared: Arc<(Verifier, Key)>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let head = Head { method: "POST", path: "/", query: "", authority: None, headers: &parts.headers };
    let (verifier, key) = &*shared;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(u64::try_from(now.as_millis()).unwrap_or(0));
    let verified = match Claim::parse(&head) {
        Ok(Some(claim)) => verifier.verify(&claim, &head, &body, &key.secret, now).is_ok(),
        Ok(None) | Err(_) => false,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    if !verified {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response.headers_mut().insert(STORES_NOTHING, http::HeaderValue::from_static("true"));
    Ok(response)
}
