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

macro_rules! actions {
    ($($name:ident = $text:literal, $reach:ident;)+) => {
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
        }
    };
}

actions! {
    CreateQueue = "sqs:CreateQueue", Owner;
    GetQueueUrl = "sqs:GetQueueUrl", Shared;
    GetQueue = "sqs:GetQueueAttributes", Shared;
    ListQueues = "sqs:ListQueues", Owner;
    ListDeadLetterSources = "sqs:ListDeadLetterSourceQueues", Shared;
    UpdateQueue = "sqs:SetQueueAttributes", Owner;
    DeleteQueue = "sqs:DeleteQueue", Owner;
    PurgeQueue = "sqs:PurgeQueue", Shared;
    AddPermission = "sqs:AddPermission", Owner;
    RemovePermission = "sqs:RemovePermission", Owner;
    ListTags = "sqs:ListQueueTags", Owner;
    TagQueue = "sqs:TagQueue", Owner;
    UntagQueue = "sqs:UntagQueue", Owner;
    Send = "sqs:SendMessage", Shared;
    Receive = "sqs:ReceiveMessage", Shared;
    DeleteMessage = "sqs:DeleteMessage", Shared;
    ChangeVisibility = "sqs:ChangeMessageVisibility", Shared;
    DeadLetter = "forebay:DeadLetterMessage", Shared;
    Peek = "forebay:PeekMessages", Shared;
    StartRedrive = "sqs:StartMessageMoveTask", Owner;
    ListRedrives = "sqs:ListMessageMoveTasks", Owner;
    CancelRedrive = "sqs:CancelMessageMoveTask", Owner;
    GetServerInfo = "forebay:GetServerInfo", Owner;
    GetStatus = "forebay:GetStatus", Owner;
    GetConfig = "forebay:GetConfig", Owner;
    SetLogFilter = "forebay:SetLogFilter", Owner;
    ListConnections = "forebay:ListConnections", Owner;
    CloseConnection = "forebay:CloseConnection", Owner;
    CreateBackup = "forebay:CreateBackup", Owner;
    Drain = "forebay:Drain", Owner;
    VerifyStorage = "forebay:VerifyStorage", Owner;
    GetCaller = "sts:GetCallerIdentity", Owner;
    CreateAccessKey = "forebay:CreateAccessKey", Owner;
    ListAccessKeys = "forebay:ListAccessKeys", Owner;
    RevokeAccessKey = "forebay:RevokeAccessKey", Owner;
    ExplainAccess = "forebay:ExplainAccess", Owner;
    CreateTable = "dynamodb:CreateTable", Owner;
    DescribeTable = "dynamodb:DescribeTable", Owner;
    ListTables = "dynamodb:ListTables", Owner;
    UpdateTable = "dynamodb:UpdateTable", Owner;
    DeleteTable = "dynamodb:DeleteTable", Owner;
    UpdateTableExpiry = "dynamodb:UpdateTimeToLive", Owner;
    DescribeTableExpiry = "dynamodb:DescribeTimeToLive", Owner;
    UpdateTableRecovery = "dynamodb:UpdateContinuousBackups", Owner;
    DescribeTableRecovery = "dynamodb:DescribeContinuousBackups", Owner;
    TagTable = "dynamodb:TagResource", Owner;
    UntagTable = "dynamodb:UntagResource", Owner;
    ListTableTags = "dynamodb:ListTagsOfResource", Owner;
    GetItem = "dynamodb:GetItem", Owner;
    PutItem = "dynamodb:PutItem", Owner;
    UpdateItem = "dynamodb:UpdateItem", Owner;
    DeleteItem = "dynamodb:DeleteItem", Owner;
    CheckItem = "dynamodb:ConditionCheckItem", Owner;
    BatchGetItem = "dynamodb:BatchGetItem", Owner;
    BatchWriteItem = "dynamodb:BatchWriteItem", Owner;
    ScanTable = "dynamodb:Scan", Owner;
    QueryTable = "dynamodb:Query", Owner;
    PutMetricData = "cloudwatch:PutMetricData", Owner;
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
                ["sqs", "sts", "forebay", "dynamodb", "cloudwatch"].contains(&service) && !what.is_empty(),
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
            ]
        );
    }
}
