//! Tells what a request speaks and hands it over.

use super::body::AnyBody;
use crate::{
    base::reason::{Reason, Refusal},
    protocol::{
        aws::face::AwsFace,
        grpc::face::GrpcFace,
        port::{
            connections::Connections,
            drain::{DrainControl, Drained},
            serve::{Port, ServerOptions},
        },
    },
    service::broker::Broker,
};
use http::{Request, Response};
use hyper::{body::Incoming, service::Service};
use std::{convert::Infallible, future::Future, io, pin::Pin, sync::Arc};

type Answer = Result<Response<AnyBody>, Infallible>;

/// Serves a port, on all its addresses, until the broker's `draining` token is cancelled and the calls under way are done.
pub async fn serve(
    listeners: Vec<std::net::TcpListener>,
    broker: Arc<Broker>,
    options: ServerOptions,
) -> io::Result<Drained> {
    let connections = Arc::new(Connections::default());
    let drain = DrainControl::new(broker.draining().clone(), options.drain_timeout);
    let grpc = GrpcFace::new(broker.clone(), connections.clone(), drain.clone(), &options).await?;
    let aws = Arc::new(AwsFace::new(broker.clone(), options.max_request_bytes));
    let limit = options.max_connections;
    let port = Port::new(listeners, broker.clock().clone(), connections, options)?;
    let ending = grpc.clone().begin_drain();
    let serving = Front { grpc, aws, full: None };
    let refusing = Front { full: Some(limit), ..serving.clone() };
    Ok(port.serve(serving, refusing, drain, ending).await)
}

/// What answers on every connection.
#[derive(Clone)]
struct Front {
    grpc: GrpcFace,
    aws: Arc<AwsFace>,
    /// For connections over this limit: every call is refused.
    full: Option<usize>,
}

impl Front {
    fn refuse(&self, limit: usize, request: Request<Incoming>) -> Response<AnyBody> {
        let message = format!("{limit} connections are open, and no more are taken");
        let refusal = Refusal::new(Reason::TooManyConnections, message).with("limit", limit);
        if GrpcFace::speaks(&request) {
            return self.grpc.refuse(refusal).map(AnyBody::Streamed);
        }
        self.aws.refuse_connection(request, &refusal).map(AnyBody::Whole)
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if let Some(limit) = self.full {
            let answer = self.refuse(limit, request);
            return Box::pin(async { Ok(answer) });
        }
        if GrpcFace::speaks(&request) {
            let answer = self.grpc.call(request);
            return Box::pin(async { answer.await.map(|answer| answer.map(AnyBody::Streamed)) });
        }
        let aws = self.aws.clone();
        Box::pin(async move { Ok(aws.answer(request).await.map(AnyBody::Aws)) })
    }
}
