//! `VerifyStorage`: a pass over the storage as a stream of news, until it is over or the client goes.

use super::call::Call;
use crate::{
    proto::admin::v1::VerifyStorageResponse,
    service::verify_storage::{Verification, VerifyStep},
};
use futures_util::stream;
use std::{pin::Pin, sync::Arc};
use tokio_stream::Stream;
use tonic::Status;

pub(super) type Steps = Pin<Box<dyn Stream<Item = Result<VerifyStorageResponse, Status>> + Send>>;

pub(super) fn steps(call: Arc<Call>, verification: Verification) -> Steps {
    Box::pin(stream::unfold((call, verification), |(call, mut verification)| async move {
        let step = verification.next().await?;
        let answer = step.map(response).map_err(|refusal| call.status(refusal));
        Some((answer, (call, verification)))
    }))
}

fn response(step: VerifyStep) -> VerifyStorageResponse {
    let VerifyStep { checked_bytes, total_bytes, problems } = step;
    VerifyStorageResponse { checked_bytes, total_bytes, problems }
}
