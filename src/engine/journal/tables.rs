//! What happens to tables, as entries of the log and back, and all of them as a checkpoint keeps them.

use super::{decode::DecodeError, encode::push_message, kind};
use crate::{
    base::{
        id::Location,
        name::{AccountId, Namespace, Region},
        time::Timestamp,
    },
    domain::table::{
        Item, TablesImage, Value,
        event::Event,
        position::{Key, Part},
        schema::{Definition, Index, KeySchema, Shown, TableId, TableName, TablePath, Throughput},
        value::Type,
    },
    proto::storage::v1 as wire,
    storage::log::{FrameBuilder, StoredEntry},
};
use prost::Message as _;
use std::sync::Arc;

pub(super) fn push(frame: &mut FrameBuilder, event: &Event) -> Location {
    match event {
        Event::Defined(definition) => {
            let header = definition_to(definition);
            push_message(frame, kind::TABLE_DEFINED, definition.id.0, definition.revision, &header)
        }
        Event::Removed { id, path } => {
            let header = wire::TableRemovedHeader {
                account: path.namespace.account.to_string(),
                region: path.namespace.region.to_string(),
                name: path.name.to_string(),
            };
            push_message(frame, kind::TABLE_REMOVED, id.0, 0, &header)
        }
        Event::Written { table, item } => push_message(frame, kind::ITEM_WRITTEN, table.0, 0, &map_to(item)),
        Event::Deleted { table, key } => {
            let header = wire::ItemRemovedHeader {
                hash: Some(value_to(&key.hash.to_value())),
                range: key.range.as_ref().map(|part| value_to(&part.to_value())),
            };
            push_message(frame, kind::ITEM_REMOVED, table.0, 0, &header)
        }
    }
}

pub(super) fn decode(entry: &StoredEntry) -> Result<Event, DecodeError> {
    let table = TableId(entry.target);
    Ok(match entry.kind {
        kind::TABLE_DEFINED => {
            Event::Defined(Arc::new(definition_from(wire::TableDefinition::decode(&*entry.header)?)?))
        }
        kind::TABLE_REMOVED => {
            let header = wire::TableRemovedHeader::decode(&*entry.header)?;
            Event::Removed { id: table, path: path_from(&header.account, &header.region, &header.name)? }
        }
        kind::ITEM_WRITTEN => {
            Event::Written { table, item: Arc::new(map_from(wire::ItemMap::decode(&*entry.header)?)?) }
        }
        kind::ITEM_REMOVED => {
            let header = wire::ItemRemovedHeader::decode(&*entry.header)?;
            let hash = part_from(header.hash.ok_or(DecodeError::Missing("hash key"))?)?;
            Event::Deleted { table, key: Key::new(hash, header.range.map(part_from).transpose()?) }
        }
        unknown => return Err(DecodeError::UnknownKind(unknown)),
    })
}

pub(crate) fn tables_to(image: &TablesImage) -> wire::TablesImage {
    let tables = image.tables.iter().map(|(definition, items)| wire::TableImage {
        definition: Some(definition_to(definition)),
        items: items.iter().map(|item| map_to(item)).collect(),
    });
    wire::TablesImage { next_id: image.next_id, tables: tables.collect() }
}

pub(crate) fn tables_from(image: wire::TablesImage) -> Result<TablesImage, DecodeError> {
    let tables = image.tables.into_iter().map(|table| {
        let definition = definition_from(table.definition.ok_or(DecodeError::Missing("definition"))?)?;
        let items = table.items.into_iter().map(|item| map_from(item).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok((Arc::new(definition), items))
    });
    Ok(TablesImage { next_id: image.next_id, tables: tables.collect::<Result<_, DecodeError>>()? })
}

fn part_from(value: wire::ItemValue) -> Result<Part, DecodeError> {
    Part::of(&value_from(value)?).ok_or(DecodeError::Missing("key"))
}

fn path_from(account: &str, region: &str, name: &str) -> Result<TablePath, DecodeError> {
    let account = AccountId::parse(account).map_err(|_| DecodeError::Missing("account"))?;
    let region = Region::parse(region).map_err(|_| DecodeError::Missing("region"))?;
    let name = TableName::parse(name).ok_or(DecodeError::Missing("table name"))?;
    Ok(TablePath { namespace: Namespace { account, region }, name })
}

fn definition_to(definition: &Definition) -> wire::TableDefinition {
    let attribute =
        |(name, kind): (&String, &Type)| wire::KeyAttribute { name: name.clone(), r#type: kind.code().to_owned() };
    wire::TableDefinition {
        id: definition.id.0,
        account: definition.path.namespace.account.to_string(),
        region: definition.path.namespace.region.to_string(),
        name: definition.path.name.to_string(),
        created_ms: definition.created.0,
        revision: definition.revision,
        key: Some(key_to(&definition.key)),
        attributes: definition.attributes.iter().map(attribute).collect(),
        indexes: definition.indexes.iter().map(index_to).collect(),
        throughput: definition.throughput.map(throughput_to),
        tags: definition.tags.iter().map(|(key, value)| wire::Tag { key: key.clone(), value: value.clone() }).collect(),
        expiry: definition.expiry.clone(),
        recovery: definition.recovery,
        protected: definition.is_protected,
    }
}

fn definition_from(definition: wire::TableDefinition) -> Result<Definition, DecodeError> {
    let attribute = |attribute: wire::KeyAttribute| {
        let kind = Type::parse(&attribute.r#type).ok_or(DecodeError::Missing("type"))?;
        Ok((attribute.name, kind))
    };
    Ok(Definition {
        id: TableId(definition.id),
        path: path_from(&definition.account, &definition.region, &definition.name)?,
        created: Timestamp(definition.created_ms),
        revision: definition.revision,
        key: key_from(definition.key)?,
        attributes: definition.attributes.into_iter().map(attribute).collect::<Result<_, DecodeError>>()?,
        indexes: definition.indexes.into_iter().map(index_from).collect::<Result<_, _>>()?,
        throughput: definition.throughput.map(throughput_from),
        tags: definition.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        expiry: definition.expiry,
        recovery: definition.recovery,
        is_protected: definition.protected,
    })
}

fn key_to(key: &KeySchema) -> wire::TableKey {
    wire::TableKey { hash: key.hash.clone(), range: key.range.clone() }
}

fn key_from(key: Option<wire::TableKey>) -> Result<KeySchema, DecodeError> {
    let key = key.ok_or(DecodeError::Missing("key"))?;
    Ok(KeySchema { hash: key.hash, range: key.range })
}

fn index_to(index: &Index) -> wire::TableIndex {
    let included = if let Shown::Include(names) = &index.shown { names.clone() } else { Vec::new() };
    wire::TableIndex {
        name: index.name.clone(),
        key: Some(key_to(&index.key)),
        all: index.shown == Shown::All,
        include: matches!(index.shown, Shown::Include(_)),
        included,
        throughput: index.throughput.map(throughput_to),
    }
}

fn index_from(index: wire::TableIndex) -> Result<Index, DecodeError> {
    let shown = match (index.all, index.include) {
        (true, _) => Shown::All,
        (false, true) => Shown::Include(index.included),
        (false, false) => Shown::Keys,
    };
    let throughput = index.throughput.map(throughput_from);
    Ok(Index { name: index.name, key: key_from(index.key)?, shown, throughput })
}

fn throughput_to(throughput: Throughput) -> wire::TableThroughput {
    wire::TableThroughput { reads: throughput.reads, writes: throughput.writes }
}

fn throughput_from(throughput: wire::TableThroughput) -> Throughput {
    Throughput { reads: throughput.reads, writes: throughput.writes }
}

fn map_to(item: &Item) -> wire::ItemMap {
    wire::ItemMap { names: item.keys().cloned().collect(), values: item.values().map(value_to).collect() }
}

fn map_from(map: wire::ItemMap) -> Result<Item, DecodeError> {
    if map.names.len() != map.values.len() {
        return Err(DecodeError::Malformed("names and values of an item"));
    }
    map.names.into_iter().zip(map.values).map(|(name, value)| Ok((name, value_from(value)?))).collect()
}

fn value_to(value: &Value) -> wire::ItemValue {
    use wire::item_value::Kind;
    let kind = match value {
        Value::Text(text) => Kind::Text(text.clone()),
        Value::Number(number) => Kind::Number(number.compact()),
        Value::Bytes(bytes) => Kind::Binary(bytes.clone()),
        Value::Flag(flag) => Kind::Flag(*flag),
        Value::Null => Kind::Null(true),
        Value::Map(map) => Kind::Map(map_to(map)),
        Value::List(list) => Kind::List(wire::ItemList { values: list.iter().map(value_to).collect() }),
        Value::Texts(set) => Kind::Texts(wire::TextSet { values: set.iter().cloned().collect() }),
        Value::Numbers(set) => {
            Kind::Numbers(wire::TextSet { values: set.iter().map(|number| number.compact()).collect() })
        }
        Value::ByteSet(set) => Kind::Binaries(wire::BinarySet { values: set.iter().cloned().collect() }),
    };
    wire::ItemValue { kind: Some(kind) }
}

fn value_from(value: wire::ItemValue) -> Result<Value, DecodeError> {
    use wire::item_value::Kind;
    let number = |text: &str| text.parse().map_err(|_| DecodeError::Missing("number"));
    Ok(match value.kind.ok_or(DecodeError::Missing("value"))? {
        Kind::Text(text) => Value::Text(text),
        Kind::Number(text) => Value::Number(number(&text)?),
        Kind::Binary(bytes) => Value::Bytes(bytes),
        Kind::Flag(flag) => Value::Flag(flag),
        Kind::Null(_) => Value::Null,
        Kind::Map(map) => Value::Map(map_from(map)?),
        Kind::List(list) => Value::List(list.values.into_iter().map(value_from).collect::<Result<_, _>>()?),
        Kind::Texts(set) => Value::Texts(set.values.into_iter().collect()),
        Kind::Numbers(set) => Value::Numbers(set.values.iter().map(|text| number(text)).collect::<Result<_, _>>()?),
        Kind::Binaries(set) => Value::ByteSet(set.values.into_iter().collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::id::{Epoch, Lsn, PartitionId},
        storage::log::entry,
    };

    fn definition() -> Definition {
        let key = |hash: &str, range: Option<&str>| KeySchema { hash: hash.into(), range: range.map(Into::into) };
        let index =
            |name: &str, shown, throughput| Index { name: name.into(), key: key("owner", None), shown, throughput };
        let some = Some(Throughput { reads: 5, writes: 7 });
        Definition {
            id: TableId(3),
            path: path_from("000000000000", "us-east-1", "leases").expect("valid"),
            created: Timestamp(5),
            revision: 2,
            key: key("shard", Some("at")),
            attributes: [("shard".into(), Type::S), ("at".into(), Type::N), ("owner".into(), Type::B)].into(),
            indexes: vec![
                index("a", Shown::All, None),
                index("b", Shown::Keys, some),
                index("c", Shown::Include(vec!["x".into()]), None),
            ],
            throughput: some,
            tags: [("team".into(), "blue".into())].into(),
            expiry: Some("ends".into()),
            recovery: true,
            is_protected: true,
        }
    }

    /// An item as deep as items go, with a value of every type.
    fn item() -> Item {
        let number = |text: &str| text.parse().expect("a number");
        let deep = (0..31).fold(Value::Null, |inner, _| Value::Map([("m".into(), inner)].into()));
        [
            ("shard".into(), Value::Text("grün".into())),
            ("at".into(), Value::Number(number("-1.5E-20"))),
            ("bytes".into(), Value::Bytes(vec![0, 255])),
            ("empty".into(), Value::Text(String::new())),
            ("list".into(), Value::List(vec![deep, Value::Flag(false), Value::Map(Item::new())])),
            ("texts".into(), Value::Texts(["a".to_owned(), "b".to_owned()].into())),
            ("numbers".into(), Value::Numbers([number("1"), number("2.5")].into())),
            ("binaries".into(), Value::ByteSet([vec![], vec![1]].into())),
        ]
        .into()
    }

    #[test]
    fn every_event_reads_back_as_it_was_written() {
        let bare = Definition { tags: [].into(), expiry: None, throughput: None, ..definition() };
        let hash = Part::Text("s1".into());
        for event in [
            Event::Defined(Arc::new(definition())),
            Event::Defined(Arc::new(bare)),
            Event::Removed { id: TableId(3), path: definition().path },
            Event::Written { table: TableId(3), item: Arc::new(item()) },
            Event::Deleted { table: TableId(3), key: Key::new(hash.clone(), None) },
            Event::Deleted { table: TableId(3), key: Key::new(hash, Some(Part::Bytes(vec![1]))) },
        ] {
            let mut frame = FrameBuilder::new(PartitionId(0), Epoch(Lsn(1)), Lsn(9), Timestamp(1));
            let at = push(&mut frame, &event);
            let bytes = bytes::Bytes::copy_from_slice(&frame.as_bytes()[at.offset as usize..]);
            assert_eq!(decode(&entry::open(&bytes).expect("sound")).expect("decodes"), event);
        }
    }

    #[test]
    fn an_image_reads_back_as_it_was_written() {
        let items = vec![Arc::new(item()), Arc::new(Item::new())];
        let image = TablesImage { next_id: 4, tables: vec![(Arc::new(definition()), items)] };
        let bytes = wire::PartitionImage { tables: Some(tables_to(&image)), ..Default::default() }.encode_to_vec();
        let read = wire::PartitionImage::decode(&*bytes).expect("reads");
        assert_eq!(tables_from(read.tables.expect("tables")).expect("reads"), image);
    }

    #[test]
    fn what_is_no_item_is_an_error() {
        let lacking = wire::ItemMap { names: vec!["a".into()], values: Vec::new() };
        assert!(map_from(lacking).is_err());
        assert!(value_from(wire::ItemValue { kind: None }).is_err());
        let number = wire::item_value::Kind::Number("x".into());
        assert!(value_from(wire::ItemValue { kind: Some(number) }).is_err());
    }
}
