//! `forebay.admin.v1.AdminService`: running the broker itself.

use super::{call::Shared, convert, storage, verify};
use crate::{
    base::reason::Refusal,
    proto::admin::v1::{self as wire, admin_service_server::AdminService},
    protocol::port::connections::Connection,
    service::{authorise::Action, backup::BackupStep, check, status::Status as ServerStatus},
};
use futures_util::{Stream, stream};
use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tonic::{Request, Response, Status};

/// Longest grace a drain may be given.
const GRACE_MAX: Duration = Duration::from_secs(3600);

pub(super) struct AdminApi {
    pub(super) shared: Arc<Shared>,
}

type BackupStream = Pin<Box<dyn Stream<Item = Result<wire::CreateBackupResponse, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AdminService for AdminApi {
    async fn get_server_info(
        &self,
        request: Request<wire::GetServerInfoRequest>,
    ) -> Answer<wire::GetServerInfoResponse> {
        let (call, _) = self.shared.begin(request)?;
        let info = call.broker().server_info(call.caller());
        call.reply(info.map(|info| {
            wire::GetServerInfoResponse {
                version: info.version.to_owned(),
                git_revision: info.git_revision.to_owned(),
                storage_format: info.storage_format,
                capabilities: info.capabilities.iter().map(ToString::to_string).collect(),
                limits: info.limits.into_iter().map(|(name, limit)| (name.to_owned(), limit)).collect(),
                endpoints: Some(info.public_url)
                    .filter(|url| !url.is_empty())
                    .map(|url| ("api".to_owned(), url))
                    .into_iter()
                    .collect(),
                region: info.region,
                account_id: info.account_id,
            }
        }))
    }

    async fn get_status(&self, request: Request<wire::GetStatusRequest>) -> Answer<wire::GetStatusResponse> {
        let (call, _) = self.shared.begin(request)?;
        let refused_connections = self.shared.connections.refused();
        let found = call.broker().status(call.caller()).await;
        call.reply(found.map(|found| wire::GetStatusResponse { refused_connections, ..status(found) }))
    }

    async fn get_config(&self, request: Request<wire::GetConfigRequest>) -> Answer<wire::GetConfigResponse> {
        let (call, _) = self.shared.begin(request)?;
        let values = call.broker().config(call.caller()).map(|values| {
            let value = |value: &crate::service::broker::ConfigValue| wire::ConfigValue {
                key: value.key.clone(),
                value: value.value.clone(),
                source: value.source.clone(),
                reloadable: value.reloadable,
            };
            values.iter().map(value).collect()
        });
        call.reply(values.map(|values| wire::GetConfigResponse { values }))
    }

    async fn set_log_filter(&self, request: Request<wire::SetLogFilterRequest>) -> Answer<wire::SetLogFilterResponse> {
        let (call, request) = self.shared.begin(request)?;
        let set = call.broker().set_log_filter(call.caller(), &request.filter);
        call.reply(set.map(|()| wire::SetLogFilterResponse {}))
    }

    async fn list_connections(
        &self,
        request: Request<wire::ListConnectionsRequest>,
    ) -> Answer<wire::ListConnectionsResponse> {
        let (call, request) = self.shared.begin(request)?;
        let allowed = call.broker().authorise_server(call.caller(), Action::ListConnections);
        call.reply(allowed.and_then(|()| self.connections(&request)))
    }

    async fn close_connection(
        &self,
        request: Request<wire::CloseConnectionRequest>,
    ) -> Answer<wire::CloseConnectionResponse> {
        let (call, request) = self.shared.begin(request)?;
        let closed = call.broker().authorise_server(call.caller(), Action::CloseConnection).and_then(|()| {
            let id = request.id.parse().ok().filter(|id| self.shared.connections.close(*id));
            let found = format!("{:?}", check::shorten(&request.id));
            id.map(drop).ok_or_else(|| check::outside("id", found, "the id of an open connection"))
        });
        call.reply(closed.map(|()| wire::CloseConnectionResponse {}))
    }

    type CreateBackupStream = BackupStream;

    async fn create_backup(&self, request: Request<wire::CreateBackupRequest>) -> Answer<BackupStream> {
        let (call, request) = self.shared.begin(request)?;
        let backup = call.broker().create_backup(call.caller(), &request.directory);
        let backup = backup.map_err(|refusal| call.status(refusal))?;
        let metadata = std::mem::take(call.response(()).metadata_mut());
        let steps = stream::unfold((call, backup), |(call, mut backup)| async {
            let step = backup.next().await?.map(backup_step).map_err(|refusal| call.status(refusal));
            Some((step, (call, backup)))
        });
        let mut response = Response::new(Box::pin(steps) as BackupStream);
        *response.metadata_mut() = metadata;
        Ok(response)
    }

    async fn drain(&self, request: Request<wire::DrainRequest>) -> Answer<wire::DrainResponse> {
        let (call, request) = self.shared.begin(request)?;
        let begun = call.broker().authorise_server(call.caller(), Action::Drain).and_then(|()| {
            let grace = convert::duration("grace", request.grace)?;
            if let Some(grace) = grace {
                check::duration("grace", grace, Duration::ZERO, GRACE_MAX)?;
            }
            self.shared.drain.begin(grace);
            Ok(wire::DrainResponse {})
        });
        call.reply(begun)
    }

    type VerifyStorageStream = verify::Steps;

    async fn verify_storage(&self, request: Request<wire::VerifyStorageRequest>) -> Answer<Self::VerifyStorageStream> {
        let (call, request) = self.shared.begin(request)?;
        match call.broker().verify_storage(call.caller(), request.max_bytes_per_second) {
            Ok(verification) => {
                let call = Arc::new(call);
                Ok(call.response(verify::steps(call.clone(), verification)))
            }
            Err(refusal) => Err(call.status(refusal)),
        }
    }
}

impl AdminApi {
    fn connections(&self, request: &wire::ListConnectionsRequest) -> Result<wire::ListConnectionsResponse, Refusal> {
        let size = check::page_size(request.page_size.into())?;
        let after = match request.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| check::page_token(token))?,
        };
        let mut page = self.shared.connections.page(after, size + 1);
        let has_more = page.len() > size;
        page.truncate(size);
        let last = page.last().filter(|_| has_more);
        let next_page_token = last.map(|connection| connection.id.to_string()).unwrap_or_default();
        let connections = page.iter().map(|found| connection(found)).collect();
        Ok(wire::ListConnectionsResponse { connections, next_page_token })
    }
}

fn backup_step(step: BackupStep) -> wire::CreateBackupResponse {
    match step {
        BackupStep::Progress { done_bytes, total_bytes } => {
            wire::CreateBackupResponse { done_bytes, total_bytes, point: None }
        }
        BackupStep::Done(point) => wire::CreateBackupResponse {
            done_bytes: point.copied_bytes,
            total_bytes: point.copied_bytes,
            point: Some(wire::RestorePoint {
                name: point.name,
                time: Some(convert::to_timestamp(point.time)),
                durable_block: point.durable_block,
                segments: point.segments,
                bytes: point.bytes,
                copied_segments: point.copied_segments,
                copied_bytes: point.copied_bytes,
                damage: point.damage,
            }),
        },
    }
}

fn connection(connection: &Connection) -> wire::Connection {
    wire::Connection {
        id: connection.id.to_string(),
        peer: connection.peer.map(|peer| peer.to_string()).unwrap_or_default(),
        principal: connection.principal().to_owned(),
        protocol: connection.language().to_owned(),
        client: connection.client().to_owned(),
        open_time: Some(convert::to_timestamp(connection.opened)),
        received_bytes: connection.received_bytes.load(Ordering::Relaxed),
        sent_bytes: connection.sent_bytes.load(Ordering::Relaxed),
        open_calls: connection.open_calls.load(Ordering::Relaxed),
    }
}

fn status(status: ServerStatus) -> wire::GetStatusResponse {
    wire::GetStatusResponse {
        ready: status.ready,
        start_time: Some(convert::to_timestamp(status.started)),
        disk_used_bytes: status.disk_used_bytes,
        disk_free_bytes: status.disk_free_bytes,
        memory_bytes: status.memory_bytes,
        recovery: Some(wire::get_status_response::Recovery {
            duration: Some(convert::to_duration(status.recovery_duration)),
            replayed_frames: status.recovered_frames,
            truncated_bytes: status.truncated_bytes,
            clean_shutdown: status.clean_shutdown,
        }),
        alarms: status.alarms,
        cpu_time: Some(convert::to_duration(status.cpu_time)),
        log_blocks: status.log_blocks,
        storage: Some(storage::storage(status.storage)),
        refused_connections: 0,
    }
}
