//! The code generated from `proto/`: messages, clients and server traits. The module tree is that of the proto packages.
//!
//! Absent on purpose: anything written by hand. Conversions stand in the layer that needs them.
#![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "the code is generated")]

/// Words the services share.
pub mod common {
    pub mod v1 {
        tonic::include_proto!("forebay.common.v1");
    }
}

/// `QueueService`.
pub mod queue {
    pub mod v1 {
        tonic::include_proto!("forebay.queue.v1");
    }
}

/// `StreamService`.
pub mod stream {
    pub mod v1 {
        tonic::include_proto!("forebay.stream.v1");
    }
}

/// `AdminService`.
pub mod admin {
    pub mod v1 {
        tonic::include_proto!("forebay.admin.v1");
    }
}

/// `AccessService`.
pub mod access {
    pub mod v1 {
        tonic::include_proto!("forebay.access.v1");
    }
}

/// The headers of stored entries.
pub mod storage {
    pub mod v1 {
        tonic::include_proto!("forebay.storage.v1");
    }
}

/// Every proto as a `FileDescriptorSet`, imports included: what server reflection answers from.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("forebay");
