//! The native services together, as the port needs them: what answers a request, and what ends with the drain.

use super::{
    access_service::AccessApi,
    admin_service::AdminApi,
    call::Shared,
    dispatch::{Dispatch, Finish},
    errors,
    queue_service::QueueApi,
    stream_service::StreamApi,
};
use crate::{
    base::reason::Refusal,
    proto::{
        FILE_DESCRIPTOR_SET, access::v1::access_service_server::AccessServiceServer,
        admin::v1::admin_service_server::AdminServiceServer, queue::v1::queue_service_server::QueueServiceServer,
        stream::v1::stream_service_server::StreamServiceServer,
    },
    protocol::port::{connections::Connections, drain::DrainControl, serve::ServerOptions},
    service::broker::Broker,
};
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use hyper::body::Incoming;
use std::{io, sync::Arc};
use tonic::{body::Body, codec::CompressionEncoding, service::Routes};
use tonic_health::{ServingStatus, server::HealthReporter};

/// The names health answers for; "" is the server as a whole.
const HEALTH_NAMES: [&str; 5] = [
    "",
    "forebay.queue.v1.QueueService",
    "forebay.stream.v1.StreamService",
    "forebay.admin.v1.AdminService",
    "forebay.access.v1.AccessService",
];

/// Everything native that a port answers; clones share it.
#[derive(Clone)]
pub struct GrpcFace {
    shared: Arc<Shared>,
    dispatch: Arc<Dispatch>,
    health: HealthReporter,
}

impl GrpcFace {
    pub async fn new(
        broker: Arc<Broker>,
        connections: Arc<Connections>,
        drain: DrainControl,
        options: &ServerOptions,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(broker, connections, drain));
        let health = HealthReporter::new();
        set_health(&health, ServingStatus::Serving).await;
        let dispatch = Arc::new(dispatch(&shared, &health, options)?);
        Ok(Self { shared, dispatch, health })
    }

    /// Whether the request speaks this language: by its content type, or (a browser's preflight has none) by a path
    /// that names a service of a package.
    pub fn speaks<B>(request: &Request<B>) -> bool {
        let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
            return true;
        }
        let path = request.uri().path().trim_start_matches('/');
        path.split_once('/').is_some_and(|(service, method)| service.contains('.') && !method.is_empty())
    }

    pub(in crate::protocol) fn call(&self, request: Request<Incoming>) -> Finish {
        self.dispatch.call(request.map(Body::new))
    }

    /// The answer to a call that nobody looks at.
    pub(in crate::protocol) fn refuse(&self, refusal: Refusal) -> Response<Body> {
        self.shared.status(None, refusal).into_http()
    }

    /// The answer to every call while there is no broker yet.
    pub(in crate::protocol) fn refuse_early(refusal: Refusal, request_id: &str) -> Response<Body> {
        errors::status(refusal, request_id).into_http()
    }

    /// Says that the server is going, and ends the watches: an open one would hold up the drain.
    pub async fn begin_drain(mut self) {
        set_health(&self.health, ServingStatus::NotServing).await;
        for name in HEALTH_NAMES {
            self.health.clear_service_status(name).await;
        }
        set_health(&self.health, ServingStatus::NotServing).await;
    }
}

fn dispatch(shared: &Arc<Shared>, health: &HealthReporter, options: &ServerOptions) -> io::Result<Dispatch> {
    let queue = QueueServiceServer::new(QueueApi { shared: shared.clone() })
        .max_decoding_message_size(options.max_request_bytes)
        .max_encoding_message_size(usize::MAX)
        .accept_compressed(CompressionEncoding::Gzip);
    let stream = StreamServiceServer::new(StreamApi { shared: shared.clone() })
        .max_decoding_message_size(options.max_request_bytes)
        .max_encoding_message_size(usize::MAX)
        .accept_compressed(CompressionEncoding::Gzip);
    let admin = AdminServiceServer::new(AdminApi { shared: shared.clone() })
        .max_decoding_message_size(options.max_request_bytes)
        .accept_compressed(CompressionEncoding::Gzip);
    let access = AccessServiceServer::new(AccessApi { shared: shared.clone() })
        .max_decoding_message_size(options.max_request_bytes)
        .accept_compressed(CompressionEncoding::Gzip);
    let health = tonic_health::server::HealthService::from_health_reporter(health.clone());
    let health = tonic_health::pb::health_server::HealthServer::new(health);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let others = Routes::new(admin)
        .add_service(stream)
        .add_service(access)
        .add_service(health)
        .add_service(reflection().build_v1().map_err(io::Error::other)?)
        .add_service(reflection().build_v1alpha().map_err(io::Error::other)?);
    Ok(Dispatch::new(queue, others.prepare(), &options.web_origins))
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for name in HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}
