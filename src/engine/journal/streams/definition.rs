//! How a stream began, and its place in the catalog.

use super::parts::{millis, settings_from, settings_to};
use crate::{
    base::{
        id::{PartitionId, StreamId},
        name::{AccountId, Region},
        stream_name::{StreamName, StreamPath},
        time::Timestamp,
    },
    domain::stream::event::Created,
    engine::{journal::DecodeError, streams::definition::StreamDefinition},
    proto::storage::v1 as wire,
};
use std::time::Duration;

pub(crate) fn created_to(created: &Created) -> wire::StreamCreated {
    wire::StreamCreated {
        settings: Some(settings_to(&created.settings)),
        shards: created.shards,
        partition: created.partition.0,
        settle_ms: millis(created.settle),
        at_ms: created.at.0,
    }
}

pub(crate) fn created_from(created: wire::StreamCreated) -> Result<Created, DecodeError> {
    Ok(Created {
        settings: settings_from(created.settings)?,
        shards: created.shards,
        partition: PartitionId(created.partition),
        settle: Duration::from_millis(created.settle_ms),
        at: Timestamp(created.at_ms),
    })
}

pub(crate) fn stream_definition_to(definition: &StreamDefinition) -> wire::StreamDefinition {
    let StreamPath { account, region, name } = &definition.path;
    wire::StreamDefinition {
        id: definition.id.0,
        account: account.to_string(),
        region: region.to_string(),
        name: name.to_string(),
        created: Some(created_to(&definition.created)),
    }
}

pub(crate) fn stream_definition_from(definition: wire::StreamDefinition) -> Result<StreamDefinition, DecodeError> {
    Ok(StreamDefinition {
        id: StreamId(definition.id),
        path: path_from(&definition.account, &definition.region, &definition.name)?,
        created: created_from(definition.created.ok_or(DecodeError::Missing("beginning"))?)?,
    })
}

fn path_from(account: &str, region: &str, name: &str) -> Result<StreamPath, DecodeError> {
    Ok(StreamPath {
        account: AccountId::parse(account).map_err(|_| DecodeError::Missing("account"))?,
        region: Region::parse(region).map_err(|_| DecodeError::Missing("region"))?,
        name: StreamName::parse(name).map_err(|_| DecodeError::Missing("stream name"))?,
    })
}
