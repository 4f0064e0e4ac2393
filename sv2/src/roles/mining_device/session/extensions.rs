//! Extensions that a device asks for: the name of its worker (extension 0x0002).

use bytes::Bytes;

use super::{Awaited, Context, Session, Verdict};
use crate::extensions::{
    RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess, WORKER_TRACKING,
};
use crate::role::CloseReason;
use crate::roles::mining_device::EXTENSIONS_TIMEOUT;
use crate::wire::{B32, Seq64K, Tlv, TlvOrder, Tlvs};

/// Extension 0x0002 as a connection has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerTracking {
    Off,
    /// Nothing else is sent until the answer has come, or is overdue.
    Asked,
    On,
}

impl WorkerTracking {
    /// Behind each share of an extended channel (extension 0x0002, 1.1).
    pub(super) fn tlvs(self, name: &B32) -> Tlvs {
        match self {
            WorkerTracking::Off | WorkerTracking::Asked => Tlvs::NONE,
            WorkerTracking::On => {
                let value = Bytes::copy_from_slice(name.as_slice());
                let name = Tlv { extension: WORKER_TRACKING, field: USER_IDENTITY, value };
                Tlvs::encode(&[name], TlvOrder::default())
            }
        }
    }
}

impl Session {
    /// Extension 0x0001, 4: before anything else, and nothing else before the answer.
    pub(super) fn request_extensions(&mut self, context: &mut Context<'_>) {
        self.worker_tracking = WorkerTracking::Asked;
        let deadline = context.now.instant + EXTENSIONS_TIMEOUT;
        self.awaited = Some(Awaited::new(deadline, Vec::new()));
        let requested_extensions = Seq64K::new(vec![WORKER_TRACKING]).unwrap_or_default();
        let request = RequestExtensions { request_id: EXTENSIONS_REQUEST, requested_extensions };
        context.out.send(self.connection, request);
    }

    pub(super) fn handle_extensions_success(
        &mut self,
        answer: &RequestExtensionsSuccess,
        context: &mut Context<'_>,
    ) -> Verdict {
        if self.worker_tracking != WorkerTracking::Asked {
            return self.note(context, "RequestExtensions.Success to no request".to_owned());
        }
        self.worker_tracking = match answer.supported_extensions.as_slice() {
            agreed if agreed.contains(&WORKER_TRACKING) => WorkerTracking::On,
            _ => WorkerTracking::Off,
        };
        self.open_channels(context);
        Verdict::Stay
    }

    /// Without what was asked for we can do; not without what the pool requires.
    pub(super) fn handle_extensions_error(
        &mut self,
        answer: &RequestExtensionsError,
        context: &mut Context<'_>,
    ) -> Verdict {
        if self.worker_tracking != WorkerTracking::Asked {
            return self.note(context, "RequestExtensions.Error to no request".to_owned());
        }
        self.worker_tracking = WorkerTracking::Off;
        if let Some(required) = answer.required_extensions.as_slice().first() {
            let why = format!("extension {required:#06x} is required (extension 0x0001, 4)");
            return Verdict::Leave(CloseReason::RefusedByPeer(why));
        }
        self.open_channels(context);
        Verdict::Stay
    }
}

/// There is one request on a connection.
const EXTENSIONS_REQUEST: u16 = 1;

/// The field of extension 0x0002 (1.1).
const USER_IDENTITY: u8 = 1;
