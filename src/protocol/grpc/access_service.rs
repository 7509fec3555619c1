//! `forebay.access.v1.AccessService`: who may call.

use super::{access, call::Shared};
use crate::proto::access::v1::{self as wire, access_service_server::AccessService};
use std::sync::Arc;
use tonic::{Request, Response, Status};

pub(super) struct AccessApi {
    pub(super) shared: Arc<Shared>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AccessService for AccessApi {
    async fn get_caller(&self, request: Request<wire::GetCallerRequest>) -> Answer<wire::GetCallerResponse> {
        let (call, _) = self.shared.begin(request)?;
        call.reply(Ok(access::caller(call.caller())))
    }

    async fn create_access_key(
        &self,
        request: Request<wire::CreateAccessKeyRequest>,
    ) -> Answer<wire::CreateAccessKeyResponse> {
        let (call, request) = self.shared.begin(request)?;
        let made = async {
            let made = call.broker().create_access_key(call.caller(), access::create(request)?).await?;
            access::created(&made)
        };
        call.reply(made.await)
    }

    async fn import_access_key(
        &self,
        request: Request<wire::ImportAccessKeyRequest>,
    ) -> Answer<wire::ImportAccessKeyResponse> {
        let (call, request) = self.shared.begin(request)?;
        let added = async {
            let added = call.broker().import_access_key(call.caller(), access::import(request)?).await?;
            Ok(wire::ImportAccessKeyResponse { access_key: Some(access::key(&added)) })
        };
        call.reply(added.await)
    }

    async fn list_access_keys(
        &self,
        request: Request<wire::ListAccessKeysRequest>,
    ) -> Answer<wire::ListAccessKeysResponse> {
        let (call, request) = self.shared.begin(request)?;
        let page = call.broker().list_access_keys(call.caller(), &access::list(request));
        call.reply(page.map(|page| access::page(&page)))
    }

    async fn revoke_access_key(
        &self,
        request: Request<wire::RevokeAccessKeyRequest>,
    ) -> Answer<wire::RevokeAccessKeyResponse> {
        let (call, request) = self.shared.begin(request)?;
        let id = request.access_key_id;
        let revoked = call.broker().revoke_access_key(call.caller(), &id, request.delete).await;
        let answer = call.reply(revoked.map(|()| wire::RevokeAccessKeyResponse {}));
        if answer.is_ok() && call.caller().identity.key_id.as_deref() != Some(id.as_str()) {
            // Its streams were let in when they were opened; they must not outlive it. The caller's own connection
            // still has this answer to carry.
            self.shared.connections.close_of(&id);
        }
        answer
    }

    async fn explain_access(
        &self,
        request: Request<wire::ExplainAccessRequest>,
    ) -> Answer<wire::ExplainAccessResponse> {
        let (call, request) = self.shared.begin(request)?;
        let explained = call.broker().explain_access(call.caller(), &access::explain(request));
        call.reply(explained.map(access::explained))
    }
}
