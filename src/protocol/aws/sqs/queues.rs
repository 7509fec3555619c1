//! Queues as a whole: make, find, list, change, empty, delete.

use super::{
    attributes::{self, Of, Wanted},
    message::shorten,
    name, tags,
};
use crate::{
    base::{
        limits,
        name::{AccountId, QueueName, QueuePath},
        reason::Reason,
    },
    protocol::aws::{
        call::{Call, Reply},
        errors::sqs,
        fault::{Fault, common},
        wire::input::Input,
    },
    service::{
        create_queue::CreateQueue,
        delete_queue::DeleteQueue,
        get_queue::GetQueue,
        list_queues::{ListQueues, ListSources, QueuePage},
        update_queue::UpdateQueue,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};

const BAD_NAME: &str = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
const BAD_FIFO_NAME: &str = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
                             must end with .fifo suffix and be 1 to 80 in length.";
const RESULTS_MAX: i64 = 1000;

type Handled = Result<Reply, Fault>;

pub(in crate::protocol::aws) async fn create(call: &Call, input: &Input<'_>) -> Handled {
    let name = input.text("QueueName")?.ok_or_else(|| common::missing("QueueName"))?;
    let pairs = input.pairs(("Attributes", "Attribute"), ("Name", "Value"))?.unwrap_or_default();
    let tags = input.pairs(("tags", "Tag"), ("Key", "Value"))?;
    tags::check(tags.as_deref().unwrap_or_default())?;
    let says_fifo = |(name, value): &(String, String)| name == "FifoQueue" && value.eq_ignore_ascii_case("true");
    let wants_fifo = pairs.iter().any(says_fifo);
    let parsed = QueueName::parse(&name).ok().filter(|name| name.is_fifo() == wants_fifo);
    let parsed = parsed.ok_or_else(|| common::invalid(if wants_fifo { BAD_FIFO_NAME } else { BAD_NAME }))?;
    let queue_id = parsed.as_str().to_owned();
    let path = QueuePath { account: call.caller.account.clone(), region: call.caller.region.clone(), name: parsed };
    let mut given = attributes::read(Of::New(&path), &pairs)?;
    given.fields.tags = tags.filter(|tags| !tags.is_empty()).map(|tags| tags.into_iter().collect());
    let request = CreateQueue { queue_id, is_fifo: Some(wants_fifo), fields: given.fields, ..CreateQueue::default() };
    let created = call.broker.create_queue(&call.caller, request).await;
    let fault = |refusal| tags::too_many(call, refusal, path.name.as_str());
    let view = created.map_err(|refusal| attributes::fault(refusal, &pairs).unwrap_or_else(fault))?;
    Ok(call.reply(128, |w| w.text("QueueUrl", &name::url(call, &view.definition.path))))
}

pub(in crate::protocol::aws) async fn delete(call: &Call, input: &Input<'_>) -> Handled {
    let path = name::of_call(call, input)?;
    let request = DeleteQueue { name: name::native(call, &path).into_owned(), ..DeleteQueue::default() };
    call.broker.delete_queue(&call.caller, request).await.map_err(|refusal| call.fault(refusal))?;
    Ok(call.done())
}

pub(in crate::protocol::aws) async fn get_url(call: &Call, input: &Input<'_>) -> Handled {
    let name = input.required("QueueName")?;
    let missing = || Fault::new(&sqs::QUEUE_DOES_NOT_EXIST, name::NO_QUEUE);
    let name = QueueName::parse(&name).map_err(|_| missing())?;
    let account = match input.text("QueueOwnerAWSAccountId")? {
        Some(owner) if !owner.is_empty() => AccountId::parse(&owner).map_err(|_| {
            common::invalid_value(shorten(&owner), "QueueOwnerAWSAccountId", "Must be an account id of 12 digits.")
        })?,
        _ => call.caller.account.clone(),
    };
    let path = QueuePath { account, region: call.caller.region.clone(), name };
    let found = call.broker.locate_queue(&call.caller, &name::native(call, &path));
    let view = found.map_err(|refusal| call.fault(refusal))?;
    Ok(call.reply(128, |w| w.text("QueueUrl", &name::url(call, &view.definition.path))))
}

pub(in crate::protocol::aws) async fn get_attributes(call: &Call, input: &Input<'_>) -> Handled {
    let path = name::of_call(call, input)?;
    let names = input.texts(("AttributeNames", "AttributeName"))?.unwrap_or_default();
    let wanted = Wanted::parse(&names)?;
    let request = GetQueue { name: name::native(call, &path).into_owned(), with_figures: wanted.needs_figures() };
    let view = call.broker.get_queue(&call.caller, request).await.map_err(|refusal| call.fault(refusal))?;
    let values = wanted.of(&view);
    Ok(call.reply(1024, |w| w.map(("Attributes", "Attribute"), ("Name", "Value"), values)))
}

pub(in crate::protocol::aws) async fn set_attributes(call: &Call, input: &Input<'_>) -> Handled {
    let path = name::of_call(call, input)?;
    let pairs = input.pairs(("Attributes", "Attribute"), ("Name", "Value"))?;
    let pairs = pairs.filter(|pairs| !pairs.is_empty()).ok_or_else(|| common::missing("Attributes"))?;
    let given = attributes::read(Of::Existing(&path), &pairs)?;
    let request =
        UpdateQueue { name: name::native(call, &path).into_owned(), fields: given.fields, ..UpdateQueue::default() };
    call.broker
        .update_queue(&call.caller, request)
        .await
        .map_err(|refusal| attributes::fault(refusal, &pairs).unwrap_or_else(|refusal| call.fault(refusal)))?;
    Ok(call.done())
}

pub(in crate::protocol::aws) async fn purge(call: &Call, input: &Input<'_>) -> Handled {
    let path = name::of_call(call, input)?;
    let purged = call.broker.purge_queue(&call.caller, &name::native(call, &path)).await;
    purged.map_err(|refusal| {
        if refusal.reason != Reason::PurgeInProgress {
            return call.fault(refusal);
        }
        let text = format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", path.name);
        Fault::new(&sqs::PURGE_QUEUE_IN_PROGRESS, text)
    })?;
    Ok(call.done())
}

/// What pages of queues are asked for by.
struct Paging {
    size: i64,
    token: String,
    /// Without a size everything comes at once, as far as that goes, and no token.
    is_paged: bool,
}

fn paging(input: &Input<'_>) -> Result<Paging, Fault> {
    let size = input.integer("MaxResults")?;
    if let Some(size) = size.filter(|size| !(1..=RESULTS_MAX).contains(size)) {
        return Err(common::invalid_value(size, "MaxResults", "Must be an integer from 1 to 1000."));
    }
    let token = match input.text("NextToken")? {
        Some(token) if !token.is_empty() => {
            let name = BASE64.decode(token.as_bytes()).ok().and_then(|name| String::from_utf8(name).ok());
            let bad = || common::invalid("Invalid or expired next token.");
            name.filter(|name| QueueName::parse(name).is_ok()).ok_or_else(bad)?
        }
        _ => String::new(),
    };
    Ok(Paging { size: size.unwrap_or(RESULTS_MAX), token, is_paged: size.is_some() })
}

pub(in crate::protocol::aws) async fn list(call: &Call, input: &Input<'_>) -> Handled {
    let paging = paging(input)?;
    let prefix = input.text("QueueNamePrefix")?.unwrap_or_default();
    if prefix.chars().count() > limits::QUEUE_NAME_CHARS {
        return Err(common::invalid_value(shorten(&prefix), "QueueNamePrefix", BAD_NAME));
    }
    let mut whole = WholePage::new(&paging);
    while let Some((page_size, page_token)) = whole.missing() {
        let id_prefix = prefix.clone().into_owned();
        let request = ListQueues { page_size, page_token, id_prefix, ..ListQueues::default() };
        whole.add(call.broker.list_queues(&call.caller, request).await.map_err(|refusal| call.fault(refusal))?);
    }
    Ok(write_page(call, "QueueUrls", whole.page, paging.is_paged))
}

/// As many queues as are asked for: the broker's pages end earlier when the settings of their queues are long.
struct WholePage {
    size: i64,
    page: QueuePage,
    is_begun: bool,
}

impl WholePage {
    fn new(paging: &Paging) -> Self {
        let page = QueuePage { queues: Vec::new(), next_page_token: paging.token.clone() };
        Self { size: paging.size, page, is_begun: false }
    }

    /// How many to ask for next, and from where; `None` when they are together.
    fn missing(&self) -> Option<(i64, String)> {
        let missing = self.size - i64::try_from(self.page.queues.len()).unwrap_or(self.size);
        let is_last = self.is_begun && self.page.next_page_token.is_empty();
        (missing > 0 && !is_last).then(|| (missing, self.page.next_page_token.clone()))
    }

    fn add(&mut self, page: QueuePage) {
        self.is_begun = true;
        self.page.queues.extend(page.queues);
        self.page.next_page_token = page.next_page_token;
    }
}

pub(in crate::protocol::aws) async fn list_dead_letter_sources(call: &Call, input: &Input<'_>) -> Handled {
    let path = name::of_call(call, input)?;
    let paging = paging(input)?;
    let mut whole = WholePage::new(&paging);
    while let Some((page_size, page_token)) = whole.missing() {
        let request = ListSources { queue: name::native(call, &path).into_owned(), page_size, page_token };
        let page = call.broker.list_dead_letter_sources(&call.caller, request).await;
        whole.add(page.map_err(|refusal| call.fault(refusal))?);
    }
    Ok(write_page(call, "queueUrls", whole.page, paging.is_paged))
}

fn write_page(call: &Call, member: &'static str, page: QueuePage, is_paged: bool) -> Reply {
    call.reply(64 + 96 * page.queues.len(), |w| {
        let urls = page.queues.iter().map(|queue| name::url(call, &queue.definition.path));
        w.texts((member, "QueueUrl"), urls);
        if is_paged && !page.next_page_token.is_empty() {
            w.plain("NextToken", BASE64.encode(&page.next_page_token));
        }
    })
}
