//! From what a call carries to a caller. Nothing is allocated for a call with a good key.

use super::{
    key::AccessKey,
    keys::{AccessKeys, Trust},
};
use crate::{
    base::{
        name::Region,
        reason::{Reason, Refusal},
    },
    service::{
        audit,
        broker::{Broker, Caller, Via},
    },
};
use std::sync::Arc;

impl Broker {
    pub fn access_keys(&self) -> &Arc<AccessKeys> {
        &self.access
    }

    /// Who a native call comes from, by its `authorization` header: `Bearer ID:SECRET`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`. Whether an id is unknown or its secret wrong is not told.
    pub fn bearer(&self, authorization: Option<&[u8]>, via: Via) -> Result<Caller, Refusal> {
        let claimed = authorization.and_then(bearer_token);
        let caller = match self.access.trust() {
            Trust::Keys => self.holder(authorization.is_some(), claimed, via),
            Trust::Anybody => Ok(self.anybody(claimed.map(|(id, _)| id), via)),
        };
        caller.inspect_err(|refusal| audit::not_authenticated(claimed.map(|(id, _)| id), via, refusal))
    }

    /// The key of this id, if calls may use it. In the development profile every id has one, without a secret.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`: unknown, disabled, expired.
    pub fn access_key(&self, id: &str) -> Result<Arc<AccessKey>, Refusal> {
        match (self.access.find(id), self.access.trust()) {
            (Some(key), Trust::Keys) => key.usable(self.now()).map(|()| key),
            (None, Trust::Keys) => {
                Err(Refusal::new(Reason::Unauthenticated, format!("access key {:?} is not known here", shown(id))))
            }
            (_, Trust::Anybody) => Ok(Arc::new(AccessKey::of_development(id, &self.facts.account))),
        }
    }

    /// The caller of a call that has proved to hold `key`.
    pub fn caller(&self, key: &AccessKey, region: Region, via: Via) -> Caller {
        self.access.touch(key, self.now());
        Caller {
            account: key.account.clone(),
            region,
            principal: key.principal.clone(),
            identity: key.identity.clone(),
            via,
        }
    }

    fn holder(&self, said_something: bool, claimed: Option<(&str, &[u8])>, via: Via) -> Result<Caller, Refusal> {
        let Some((id, secret)) = claimed else {
            let message = match said_something {
                true => "the authorization header is not \"Bearer ID:SECRET\"",
                false => "the call carries no access key: send the header authorization: Bearer ID:SECRET",
            };
            return Err(Refusal::new(Reason::Unauthenticated, message));
        };
        if !self.facts.keys_in_clear && !via.is_private() {
            let message = "access keys are taken over TLS or from this machine only: over this connection others can \
                           read the secret; listen.api.insecure = true takes it nevertheless";
            return Err(Refusal::new(Reason::Unauthenticated, message));
        }
        let key = self.access.find(id);
        let matches = |key: &Arc<AccessKey>| key.secret.as_ref().is_some_and(|known| known.matches(secret));
        let Some(key) = key.filter(matches) else {
            let message = format!("the access key id {:?} is not known here, or its secret is wrong", shown(id));
            return Err(Refusal::new(Reason::Unauthenticated, message));
        };
        key.usable(self.now())?;
        Ok(self.caller(&key, self.region().clone(), via))
    }

    /// A caller of the development profile.
    fn anybody(&self, id: Option<&str>, via: Via) -> Caller {
        match id {
            Some(id) => {
                let key = AccessKey::of_development(id, &self.facts.account);
                self.caller(&key, self.region().clone(), via)
            }
            None => Caller { via, ..self.anonymous() },
        }
    }
}

/// Id and secret of a header's value; the scheme in any case, as RFC 9110 has it.
fn bearer_token(value: &[u8]) -> Option<(&str, &[u8])> {
    let (scheme, token) = value.split_at_checked(7)?;
    let colon = token.iter().position(|byte| *byte == b':')?;
    let (id, secret) = token.split_at_checked(colon)?;
    let id = str::from_utf8(id).ok().filter(|id| scheme.eq_ignore_ascii_case(b"bearer ") && !id.is_empty())?;
    Some((id, secret.get(1..)?))
}

fn shown(id: &str) -> std::borrow::Cow<'_, str> {
    crate::service::check::shorten(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_an_id_a_colon_and_a_secret() {
        let token = |text: &'static str| bearer_token(text.as_bytes());
        assert_eq!(token("Bearer id:secret"), Some(("id", &b"secret"[..])));
        assert_eq!(token("bEARER id:a:b/+="), Some(("id", &b"a:b/+="[..])));
        assert_eq!(token("Bearer id:"), Some(("id", &b""[..])));
        for bad in ["", "Bearer", "Bearer ", "Bearer id", "Bearer :secret", "Basic id:secret", "Bearerid:secret"] {
            assert_eq!(token(bad), None, "{bad:?}");
        }
        assert_eq!(bearer_token(b"Bearer \xff:secret"), None);
    }
}
