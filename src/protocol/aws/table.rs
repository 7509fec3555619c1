//! Service × operation → handler. An operation that is not here is unknown, and answered as AWS answers that.

use super::{
    call::{Call, Reply},
    cloudwatch,
    dynamodb::{batches, extras, items, search, tables},
    errors::Service,
    fault::Fault,
    sqs::{move_tasks, permissions, queues, receive, send, settle, tags},
    sts,
    wire::input::Input,
};
use std::{fmt, future::Future, pin::Pin};

pub(super) type Handling<'a> = Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + 'a>>;
type Handler = for<'a> fn(&'a Call, &'a Input<'a>) -> Handling<'a>;

pub(super) struct Operation {
    pub(super) service: Service,
    pub(super) name: &'static str,
    /// Concerns no queue that exists: not an action of a queue's path.
    pub(super) is_of_an_account: bool,
    pub(super) handler: Handler,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.{}", self.service, self.name)
    }
}

macro_rules! operations {
    ($($service:ident $name:literal $(($account:ident))? => $handler:path;)+) => {
        /// The table, in the order of names; several services may have an operation of one name.
        pub(super) const OPERATIONS: &[Operation] = &[$(
            Operation {
                service: Service::$service,
                name: $name,
                is_of_an_account: operations!(@account $($account)?),
                handler: |call, input| Box::pin($handler(call, input)),
            },
        )+];
    };
    (@account) => { false };
    (@account account) => { true };
}

operations! {
    Sqs "AddPermission" => permissions::add;
    DynamoDb "BatchGetItem" => batches::get_batch;
    DynamoDb "BatchWriteItem" => batches::write_batch;
    Sqs "CancelMessageMoveTask" (account) => move_tasks::cancel;
    Sqs "ChangeMessageVisibility" => settle::change_visibility;
    Sqs "ChangeMessageVisibilityBatch" => settle::change_visibility_batch;
    Sqs "CreateQueue" (account) => queues::create;
    DynamoDb "CreateTable" => tables::create;
    DynamoDb "DeleteItem" => items::delete;
    Sqs "DeleteMessage" => settle::delete;
    Sqs "DeleteMessageBatch" => settle::delete_batch;
    Sqs "DeleteQueue" => queues::delete;
    DynamoDb "DeleteTable" => tables::delete;
    DynamoDb "DescribeContinuousBackups" => extras::describe_recovery;
    DynamoDb "DescribeTable" => tables::describe;
    DynamoDb "DescribeTimeToLive" => extras::describe_expiry;
    Sts "GetCallerIdentity" => sts::get_caller_identity;
    DynamoDb "GetItem" => items::get;
    Sqs "GetQueueAttributes" => queues::get_attributes;
    Sqs "GetQueueUrl" (account) => queues::get_url;
    Sqs "ListDeadLetterSourceQueues" => queues::list_dead_letter_sources;
    Sqs "ListMessageMoveTasks" (account) => move_tasks::list;
    Sqs "ListQueueTags" => tags::list;
    Sqs "ListQueues" (account) => queues::list;
    DynamoDb "ListTables" => tables::list;
    DynamoDb "ListTagsOfResource" => extras::list_tags;
    Sqs "PurgeQueue" => queues::purge;
    DynamoDb "PutItem" => items::put;
    CloudWatch "PutMetricData" => cloudwatch::put_metric_data;
    DynamoDb "Query" => search::query;
    Sqs "ReceiveMessage" => receive::receive;
    Sqs "RemovePermission" => permissions::remove;
    DynamoDb "Scan" => search::scan;
    Sqs "SendMessage" => send::send;
    Sqs "SendMessageBatch" => send::send_batch;
    Sqs "SetQueueAttributes" => queues::set_attributes;
    Sqs "StartMessageMoveTask" (account) => move_tasks::start;
    Sqs "TagQueue" => tags::tag;
    DynamoDb "TagResource" => extras::tag;
    DynamoDb "TransactWriteItems" => batches::transact;
    Sqs "UntagQueue" => tags::untag;
    DynamoDb "UntagResource" => extras::untag;
    DynamoDb "UpdateContinuousBackups" => extras::update_recovery;
    DynamoDb "UpdateItem" => items::update_item;
    DynamoDb "UpdateTable" => tables::update;
    DynamoDb "UpdateTimeToLive" => extras::update_expiry;
}

pub(super) fn find(service: Service, name: &str) -> Option<&'static Operation> {
    let first = OPERATIONS.partition_point(|operation| operation.name < name);
    let named = OPERATIONS.get(first..)?.iter().take_while(|operation| operation.name == name);
    named.into_iter().find(|operation| operation.service == service)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the services offer, by the models of the SDKs.
    const WANTED: &str = include_str!("../../../tests/fixtures/aws/operations.txt");

    #[test]
    fn every_operation_of_the_fixture_is_here_and_no_other() {
        let wanted: Vec<_> = WANTED.lines().filter(|line| !line.starts_with('#')).collect();
        let mut found: Vec<_> =
            OPERATIONS.iter().map(|row| format!("{:?}.{}", row.service, row.name).to_lowercase()).collect();
        let mut wanted: Vec<_> = wanted.iter().map(|line| line.to_lowercase()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
        assert!(OPERATIONS.is_sorted_by_key(|row| row.name), "the search wants an order");
        for row in OPERATIONS {
            assert!(find(row.service, row.name).is_some(), "{row:?}");
        }
        assert!(find(Service::Sts, "SendMessage").is_none());
    }
}
