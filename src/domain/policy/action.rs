//! The table of actions: everything a caller can ask for, by the name that policies, refusals and logs use.
//!
//! What a service of AWS has too bears its name, so that policies written for it hold here; the rest is `forebay:`. A batch is
//! its single action, whichever protocol it came by.

/// Who may be given an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A queue's policy may give it to other accounts.
    Shared,
    /// Only callers of the account that owns the resource.
    Owner,
}

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Queue,
    /// Or what stands on one: a queue, a channel.
    Stream,
    /// Of leases.
    Table,
    /// An account in a region.
    Namespace,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes what exists or who may do what, and not only messages and records.
    Changes,
    Uses,
}

macro_rules! actions {
    ($($name:ident = $text:literal, $reach:ident, $scope:ident, $effect:ident;)+) => {
        /// Everything a caller can ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($name,)+ }

        impl Action {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name: a service, a colon, what is done.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub fn reach(self) -> Reach {
                match self { $(Self::$name => Reach::$reach,)+ }
            }

            pub fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)+ }
            }

            pub fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)+ }
            }
        }
    };
}

actions! {
    CreateQueue = "sqs:CreateQueue", Owner, Queue, Changes;
    GetQueueUrl = "sqs:GetQueueUrl", Shared, Queue, Uses;
    GetQueue = "sqs:GetQueueAttributes", Shared, Queue, Uses;
    ListQueues = "sqs:ListQueues", Owner, Namespace, Uses;
    ListDeadLetterSources = "sqs:ListDeadLetterSourceQueues", Shared, Queue, Uses;
    UpdateQueue = "sqs:SetQueueAttributes", Owner, Queue, Changes;
    DeleteQueue = "sqs:DeleteQueue", Owner, Queue, Changes;
    PurgeQueue = "sqs:PurgeQueue", Shared, Queue, Changes;
    AddPermission = "sqs:AddPermission", Owner, Queue, Changes;
    RemovePermission = "sqs:RemovePermission", Owner, Queue, Changes;
    ListTags = "sqs:ListQueueTags", Owner, Queue, Uses;
    TagQueue = "sqs:TagQueue", Owner, Queue, Changes;
    UntagQueue = "sqs:UntagQueue", Owner, Queue, Changes;
    Send = "sqs:SendMessage", Shared, Queue, Uses;
    Receive = "sqs:ReceiveMessage", Shared, Queue, Uses;
    DeleteMessage = "sqs:DeleteMessage", Shared, Queue, Uses;
    ChangeVisibility = "sqs:ChangeMessageVisibility", Shared, Queue, Uses;
    DeadLetter = "forebay:DeadLetterMessage", Shared, Queue, Uses;
    Peek = "forebay:PeekMessages", Shared, Queue, Uses;
    StartRedrive = "sqs:StartMessageMoveTask", Owner, Queue, Changes;
    ListRedrives = "sqs:ListMessageMoveTasks", Owner, Queue, Uses;
    CancelRedrive = "sqs:CancelMessageMoveTask", Owner, Queue, Changes;
    AcknowledgeDeadLetterRecords = "kinesis:AcknowledgeDeadLetterQueueRecords", Owner, Stream, Uses;
    AcknowledgeRecords = "kinesis:AcknowledgeQueueRecords", Owner, Stream, Uses;
    AddTagsToStream = "kinesis:AddTagsToStream", Owner, Stream, Changes;
    CreateChannel = "kinesis:CreateChannel", Owner, Stream, Changes;
    CreateStreamQueue = "kinesis:CreateQueue", Owner, Stream, Changes;
    CreateStream = "kinesis:CreateStream", Owner, Stream, Changes;
    DecreaseStreamRetentionPeriod = "kinesis:DecreaseStreamRetentionPeriod", Owner, Stream, Changes;
    DeleteResourcePolicy = "kinesis:DeleteResourcePolicy", Owner, Stream, Changes;
    DeleteChannel = "kinesis:DeleteChannel", Owner, Stream, Changes;
    DeleteStreamQueue = "kinesis:DeleteQueue", Owner, Stream, Changes;
    DeleteStream = "kinesis:DeleteStream", Owner, Stream, Changes;
    DeregisterStreamConsumer = "kinesis:DeregisterStreamConsumer", Owner, Stream, Changes;
    DescribeAccountSettings = "kinesis:DescribeAccountSettings", Owner, Namespace, Uses;
    DescribeLimits = "kinesis:DescribeLimits", Owner, Namespace, Uses;
    DescribeChannel = "kinesis:DescribeChannel", Owner, Stream, Uses;
    DescribeStreamQueue = "kinesis:DescribeQueue", Owner, Stream, Uses;
    DescribeStream = "kinesis:DescribeStream", Shared, Stream, Uses;
    DescribeStreamConsumer = "kinesis:DescribeStreamConsumer", Shared, Stream, Uses;
    DescribeStreamSummary = "kinesis:DescribeStreamSummary", Shared, Stream, Uses;
    DisableEnhancedMonitoring = "kinesis:DisableEnhancedMonitoring", Owner, Stream, Changes;
    EnableEnhancedMonitoring = "kinesis:EnableEnhancedMonitoring", Owner, Stream, Changes;
    GetRecords = "kinesis:GetRecords", Shared, Stream, Uses;
    GetResourcePolicy = "kinesis:GetResourcePolicy", Owner, Stream, Uses;
    GetShardIterator = "kinesis:GetShardIterator", Shared, Stream, Uses;
    IncreaseStreamRetentionPeriod = "kinesis:IncreaseStreamRetentionPeriod", Owner, Stream, Changes;
    ListChannels = "kinesis:ListChannels", Owner, Namespace, Uses;
    ListStreamQueues = "kinesis:ListQueues", Owner, Namespace, Uses;
    ListShards = "kinesis:ListShards", Shared, Stream, Uses;
    ListStreamConsumers = "kinesis:ListStreamConsumers", Owner, Stream, Uses;
    ListStreams = "kinesis:ListStreams", Owner, Namespace, Uses;
    ListTagsForResource = "kinesis:ListTagsForResource", Owner, Stream, Uses;
    ListTagsForStream = "kinesis:ListTagsForStream", Owner, Stream, Uses;
    MergeShards = "kinesis:MergeShards", Owner, Stream, Changes;
    PutRecord = "kinesis:PutRecord", Shared, Stream, Uses;
    PutRecords = "kinesis:PutRecords", Shared, Stream, Uses;
    PutResourcePolicy = "kinesis:PutResourcePolicy", Owner, Stream, Changes;
    ReceiveDeadLetterRecords = "kinesis:ReceiveDeadLetterQueueRecords", Owner, Stream, Uses;
    ReceiveRecords = "kinesis:ReceiveQueueRecords", Owner, Stream, Uses;
    RegisterStreamConsumer = "kinesis:RegisterStreamConsumer", Owner, Stream, Changes;
    RemoveTagsFromStream = "kinesis:RemoveTagsFromStream", Owner, Stream, Changes;
    RestoreDeadLetterRecords = "kinesis:RestoreDeadLetterQueueRecords", Owner, Stream, Uses;
    SplitShard = "kinesis:SplitShard", Owner, Stream, Changes;
    StartStreamEncryption = "kinesis:StartStreamEncryption", Owner, Stream, Changes;
    StopStreamEncryption = "kinesis:StopStreamEncryption", Owner, Stream, Changes;
    SubscribeToShard = "kinesis:SubscribeToShard", Shared, Stream, Uses;
    TagResource = "kinesis:TagResource", Owner, Stream, Changes;
    UntagResource = "kinesis:UntagResource", Owner, Stream, Changes;
    UpdateAccountSettings = "kinesis:UpdateAccountSettings", Owner, Namespace, Changes;
    UpdateDeadLetterRecordsVisibility = "kinesis:UpdateDeadLetterQueueRecordsVisibility", Owner, Stream, Uses;
    UpdateMaxRecordSize = "kinesis:UpdateMaxRecordSize", Owner, Stream, Changes;
    UpdateChannel = "kinesis:UpdateChannel", Owner, Stream, Changes;
    UpdateStreamQueue = "kinesis:UpdateQueue", Owner, Stream, Changes;
    UpdateRecordsVisibility = "kinesis:UpdateQueueRecordsVisibility", Owner, Stream, Uses;
    UpdateShardCount = "kinesis:UpdateShardCount", Owner, Stream, Changes;
    UpdateStreamMode = "kinesis:UpdateStreamMode", Owner, Stream, Changes;
    UpdateStreamRecordDistributionStrategy = "kinesis:UpdateStreamRecordDistributionStrategy", Owner, Stream, Changes;
    UpdateStreamWarmThroughput = "kinesis:UpdateStreamWarmThroughput", Owner, Stream, Changes;
    JoinGroup = "forebay:JoinGroup", Shared, Stream, Uses;
    GetGroup = "forebay:GetGroup", Owner, Stream, Uses;
    ListGroups = "forebay:ListGroups", Owner, Stream, Uses;
    SeekGroup = "forebay:SeekGroup", Owner, Stream, Changes;
    DeleteGroup = "forebay:DeleteGroup", Owner, Stream, Changes;
    GetServerInfo = "forebay:GetServerInfo", Owner, Server, Uses;
    GetStatus = "forebay:GetStatus", Owner, Server, Uses;
    GetConfig = "forebay:GetConfig", Owner, Server, Changes;
    SetLogFilter = "forebay:SetLogFilter", Owner, Server, Changes;
    ListConnections = "forebay:ListConnections", Owner, Server, Uses;
    CloseConnection = "forebay:CloseConnection", Owner, Server, Changes;
    CreateBackup = "forebay:CreateBackup", Owner, Server, Changes;
    Drain = "forebay:Drain", Owner, Server, Changes;
    VerifyStorage = "forebay:VerifyStorage", Owner, Server, Changes;
    GetCaller = "sts:GetCallerIdentity", Owner, Namespace, Uses;
    CreateAccessKey = "forebay:CreateAccessKey", Owner, Namespace, Changes;
    ListAccessKeys = "forebay:ListAccessKeys", Owner, Namespace, Changes;
    RevokeAccessKey = "forebay:RevokeAccessKey", Owner, Namespace, Changes;
    ExplainAccess = "forebay:ExplainAccess", Owner, Namespace, Uses;
    CreateTable = "dynamodb:CreateTable", Owner, Table, Changes;
    DescribeTable = "dynamodb:DescribeTable", Owner, Table, Uses;
    ListTables = "dynamodb:ListTables", Owner, Namespace, Uses;
    UpdateTable = "dynamodb:UpdateTable", Owner, Table, Changes;
    DeleteTable = "dynamodb:DeleteTable", Owner, Table, Changes;
    UpdateTableExpiry = "dynamodb:UpdateTimeToLive", Owner, Table, Changes;
    DescribeTableExpiry = "dynamodb:DescribeTimeToLive", Owner, Table, Uses;
    UpdateTableRecovery = "dynamodb:UpdateContinuousBackups", Owner, Table, Changes;
    DescribeTableRecovery = "dynamodb:DescribeContinuousBackups", Owner, Table, Uses;
    TagTable = "dynamodb:TagResource", Owner, Table, Changes;
    UntagTable = "dynamodb:UntagResource", Owner, Table, Changes;
    ListTableTags = "dynamodb:ListTagsOfResource", Owner, Table, Uses;
    GetItem = "dynamodb:GetItem", Owner, Table, Uses;
    PutItem = "dynamodb:PutItem", Owner, Table, Uses;
    UpdateItem = "dynamodb:UpdateItem", Owner, Table, Uses;
    DeleteItem = "dynamodb:DeleteItem", Owner, Table, Uses;
    CheckItem = "dynamodb:ConditionCheckItem", Owner, Table, Uses;
    BatchGetItem = "dynamodb:BatchGetItem", Owner, Table, Uses;
    BatchWriteItem = "dynamodb:BatchWriteItem", Owner, Table, Uses;
    ScanTable = "dynamodb:Scan", Owner, Table, Uses;
    QueryTable = "dynamodb:Query", Owner, Table, Uses;
    PutMetricData = "cloudwatch:PutMetricData", Owner, Namespace, Uses;
}

impl Action {
    /// The service and what is done: "sqs" and "SendMessage".
    pub fn parts(self) -> (&'static str, &'static str) {
        self.as_str().split_once(':').unwrap_or(("", self.as_str()))
    }

    /// Reads a name in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_name_of_its_own_and_is_found_by_it_in_any_case() {
        for action in Action::ALL {
            let (service, what) = action.parts();
            assert!(
                ["sqs", "kinesis", "sts", "forebay", "dynamodb", "cloudwatch"].contains(&service) && !what.is_empty(),
                "{}",
                action.as_str()
            );
            assert_eq!(Action::parse(&action.as_str().to_uppercase()), Some(*action));
        }
        assert_eq!(Action::parse("sqs:SendMessages"), None);
        assert!(Action::ALL.len() <= 128, "a set of actions is 128 bits");
    }

    #[test]
    fn the_reference_names_every_action() {
        let reference = include_str!("../../docs/policies.md");
        for action in Action::ALL {
            assert!(reference.contains(&format!("`{}`", action.as_str())), "{}", action.as_str());
        }
    }

    #[test]
    fn what_sqs_never_shares_is_the_owners() {
        let shared: Vec<_> = Action::ALL.iter().filter(|action| action.reach() == Reach::Shared).collect();
        let names: Vec<_> = shared.iter().map(|action| action.as_str()).collect();
        assert_eq!(
            names,
            [
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
                "sqs:ListDeadLetterSourceQueues",
                "sqs:PurgeQueue",
                "sqs:SendMessage",
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "forebay:DeadLetterMessage",
                "forebay:PeekMessages",
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamConsumer",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
                "kinesis:PutRecord",
                "kinesis:PutRecords",
                "kinesis:SubscribeToShard",
                "forebay:JoinGroup",
            ]
        );
    }
}
