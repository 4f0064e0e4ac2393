//! The table of messages (spec 8) and what follows from it: the enum, decoding, encoding,
//! names.
//!
//! A new message is a struct with a `wire_message!` line in its chapter, and a row here.

use bytes::Bytes;
use thiserror::Error;

use crate::wire::dissect::{Dissection, Finding, dissect};
use crate::wire::{Field, Frame, FrameHeader, Reader, Tlvs, WireMessage};
use crate::{common, extensions, job_declaration, mining, template_distribution};

/// Who may send a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The side that opened the connection.
    Client,
    /// The side that accepted it.
    Server,
    /// Either.
    Both,
}

/// The part of the specification that defines a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chapter {
    /// Spec 3.6: on every connection.
    Common,
    /// Spec 5.
    Mining,
    /// Spec 6.
    JobDeclaration,
    /// Spec 7.
    TemplateDistribution,
    /// Extension 0x0001.
    ExtensionNegotiation,
}

/// A row of the table.
#[derive(Debug)]
pub struct Descriptor {
    /// As the specification writes it, such as `SubmitShares.Success`. Two messages are called
    /// `SetNewPrevHash`; the chapter tells them apart.
    pub name: &'static str,
    /// Where it is defined.
    pub chapter: Chapter,
    /// The extension that defines it, 0 for the core.
    pub extension: u16,
    /// Number within the extension.
    pub number: u8,
    /// Whether the sender sets the channel bit (spec 3.2.1, 8).
    pub channel_bit: bool,
    /// Who may send it.
    pub sender: Sender,
    /// Its fields in wire order.
    pub fields: &'static [Field],
}

impl Descriptor {
    /// `extension_type` of its frames.
    pub const fn extension_type(&self) -> u16 {
        if self.channel_bit { self.extension | FrameHeader::CHANNEL_BIT } else { self.extension }
    }
}

/// A message that was decoded, with what the struct does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The message.
    pub message: Message,
    /// What stands behind its fields.
    pub tlvs: Tlvs,
    /// False if the payload is legal, but not what we would encode (spec 3.1, BOOL): whoever
    /// forwards it forwards the frame.
    pub is_canonical: bool,
}

/// Why a frame is not a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// No such message in the core or in an extension that we know. Such frames are ignored
    /// or forwarded (spec 3.4).
    #[error("extension {extension:#06x} has no message {number:#04x} that we know (spec 8)")]
    Unknown {
        /// Without the channel bit.
        extension: u16,
        /// Number within the extension.
        number: u8,
    },
    /// The payload is not this message.
    #[error("{name} is malformed: {finding} (spec 3.1)")]
    Malformed {
        /// Of the message.
        name: &'static str,
        /// Where and why.
        finding: Finding,
    },
}

impl Message {
    /// Reads a frame. The channel bit is not looked at (spec 3.2.1; AMB-26).
    ///
    /// # Errors
    /// [`DecodeError`]: unknown, or malformed.
    #[inline]
    pub fn decode(frame: &Frame) -> Result<Decoded, DecodeError> {
        let (extension, number) = (frame.header().extension(), frame.message_type);
        let mut reader = Reader::shared(&frame.payload);
        match Self::read(extension, number, &mut reader) {
            Some(message) => {
                let is_canonical = reader.is_canonical();
                let tlvs = match reader.rest() {
                    [] => Tlvs::NONE,
                    _ => Tlvs::from_bytes(reader.into_rest()),
                };
                Ok(Decoded { message, tlvs, is_canonical })
            }
            None => Err(Self::why_not(extension, number, &frame.payload)),
        }
    }

    #[cold]
    fn why_not(extension: u16, number: u8, payload: &[u8]) -> DecodeError {
        let Some(descriptor) = descriptor(extension, number) else {
            return DecodeError::Unknown { extension, number };
        };
        let dissection = dissect(descriptor.fields, payload);
        let finding = dissection.fatal().expect("both readers refuse the same payloads").clone();
        DecodeError::Malformed { name: descriptor.name, finding }
    }

    /// Appends header and payload, as on an unencrypted wire.
    #[inline]
    pub fn write_frame(&self, tlvs: &Tlvs, out: &mut Vec<u8>) {
        let descriptor = self.descriptor();
        let header_at = out.len();
        let len = self.wire_len() + tlvs.as_bytes().len();
        out.reserve(FrameHeader::LEN + len);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "only lists of transactions reach 2^24 bytes, and senders of those ask \
                 `fits_frame` first"
        )]
        let header = FrameHeader {
            extension_type: descriptor.extension_type(),
            message_type: descriptor.number,
            payload_len: len as u32,
        };
        out.extend_from_slice(&header.to_bytes());
        self.write(out);
        out.extend_from_slice(tlvs.as_bytes());
        debug_assert_eq!(out.len() - header_at, FrameHeader::LEN + len);
    }

    /// Whether the message fits a frame: only lists of transactions can be too long.
    pub fn fits_frame(&self, tlvs: &Tlvs) -> bool {
        self.wire_len() + tlvs.as_bytes().len() <= FrameHeader::PAYLOAD_LEN_MAX
    }

    /// The frame of the message.
    pub fn to_frame(&self, tlvs: &Tlvs) -> Frame {
        let descriptor = self.descriptor();
        let mut payload = Vec::with_capacity(self.wire_len() + tlvs.as_bytes().len());
        self.write(&mut payload);
        payload.extend_from_slice(tlvs.as_bytes());
        Frame {
            extension_type: descriptor.extension_type(),
            message_type: descriptor.number,
            payload: Bytes::from(payload),
        }
    }

    /// As the specification writes it.
    pub fn name(&self) -> &'static str {
        self.descriptor().name
    }
}

/// Takes a frame apart as far as it goes; `None` if the table has no such message.
pub fn dissect_frame(frame: &Frame) -> Option<(&'static Descriptor, Dissection)> {
    let descriptor = descriptor(frame.header().extension(), frame.message_type)?;
    Some((descriptor, dissect(descriptor.fields, &frame.payload)))
}

/// The row with a name, and a chapter where the name alone is not enough.
pub fn by_name(name: &str, chapter: Option<Chapter>) -> Option<&'static Descriptor> {
    DESCRIPTORS
        .iter()
        .find(|row| row.name == name && chapter.is_none_or(|chapter| row.chapter == chapter))
        .copied()
}

/// A message whose size is above 64 bytes stands behind a pointer, so that the others stay
/// cheap to move.
macro_rules! messages {
    (@type $message:ty) => { $message };
    (@type boxed $message:ty) => { Box<$message> };
    (@wrap $value:expr) => { $value };
    (@wrap boxed $value:expr) => { Box::new($value) };
    ($(
        $chapter:ident $extension:literal {
            $($sender:ident $number:literal $channel_bit:literal $name:literal
              $variant:ident $($boxed:ident)? ($message:ty);)*
        }
    )*) => {
        /// Any message of the table.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each variant is documented as its struct")]
        pub enum Message {
            $($($variant(messages!(@type $($boxed)? $message)),)*)*
        }

        $($(
            impl From<$message> for Message {
                #[inline]
                fn from(message: $message) -> Self {
                    Message::$variant(messages!(@wrap $($boxed)? message))
                }
            }
        )*)*

        /// The whole table, in the order of the specification.
        pub const DESCRIPTORS: &[&Descriptor] = &[$($(&Descriptor {
            name: $name,
            chapter: Chapter::$chapter,
            extension: $extension,
            number: $number,
            channel_bit: $channel_bit == 1,
            sender: Sender::$sender,
            fields: <$message as WireMessage>::FIELDS,
        },)*)*];

        /// The row of a number within an extension (without the channel bit).
        pub fn descriptor(extension: u16, number: u8) -> Option<&'static Descriptor> {
            let place = ROWS.get(usize::from(extension))?[usize::from(number)];
            DESCRIPTORS.get(usize::from(place)).copied()
        }

        impl Message {
            #[inline]
            fn read(extension: u16, number: u8, reader: &mut Reader<'_>) -> Option<Message> {
                match (extension, number) {
                    $($(($extension, $number) => {
                        <$message as WireMessage>::read(reader).map(Message::from)
                    })*)*
                    _ => None,
                }
            }

            /// The row of the message.
            #[inline]
            pub fn descriptor(&self) -> &'static Descriptor {
                match self {
                    $($(Message::$variant(_) => const { &Descriptor {
                        name: $name,
                        chapter: Chapter::$chapter,
                        extension: $extension,
                        number: $number,
                        channel_bit: $channel_bit == 1,
                        sender: Sender::$sender,
                        fields: <$message as WireMessage>::FIELDS,
                    } },)*)*
                }
            }

            /// Appends the payload.
            #[inline]
            pub fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $($(Message::$variant(message) => WireMessage::write(message, out),)*)*
                }
            }

            /// Length of the payload in bytes.
            #[inline]
            pub fn wire_len(&self) -> usize {
                match self {
                    $($(Message::$variant(message) => WireMessage::wire_len(message),)*)*
                }
            }
        }
    };
}
messages! {
    Common 0x0000 {
        Client 0x00 0 "SetupConnection" SetupConnection boxed (common::SetupConnection);
        Server 0x01 0 "SetupConnection.Success" SetupConnectionSuccess (common::SetupConnectionSuccess);
        Server 0x02 0 "SetupConnection.Error" SetupConnectionError (common::SetupConnectionError);
        Server 0x03 1 "ChannelEndpointChanged" ChannelEndpointChanged (common::ChannelEndpointChanged);
        Server 0x04 0 "Reconnect" Reconnect (common::Reconnect);
    }
    Mining 0x0000 {
        Client 0x10 0 "OpenStandardMiningChannel" OpenStandardMiningChannel boxed (mining::OpenStandardMiningChannel);
        Server 0x11 0 "OpenStandardMiningChannel.Success" OpenStandardMiningChannelSuccess boxed (mining::OpenStandardMiningChannelSuccess);
        Server 0x12 0 "OpenMiningChannel.Error" OpenMiningChannelError (mining::OpenMiningChannelError);
        Client 0x13 0 "OpenExtendedMiningChannel" OpenExtendedMiningChannel boxed (mining::OpenExtendedMiningChannel);
        Server 0x14 0 "OpenExtendedMiningChannel.Success" OpenExtendedMiningChannelSuccess boxed (mining::OpenExtendedMiningChannelSuccess);
        Server 0x15 1 "NewMiningJob" NewMiningJob (mining::NewMiningJob);
        Client 0x16 1 "UpdateChannel" UpdateChannel (mining::UpdateChannel);
        Server 0x17 1 "UpdateChannel.Error" UpdateChannelError (mining::UpdateChannelError);
        Both 0x18 1 "CloseChannel" CloseChannel (mining::CloseChannel);
        Server 0x19 1 "SetExtranoncePrefix" SetExtranoncePrefix (mining::SetExtranoncePrefix);
        Client 0x1a 1 "SubmitSharesStandard" SubmitSharesStandard (mining::SubmitSharesStandard);
        Client 0x1b 1 "SubmitSharesExtended" SubmitSharesExtended (mining::SubmitSharesExtended);
        Server 0x1c 1 "SubmitShares.Success" SubmitSharesSuccess (mining::SubmitSharesSuccess);
        Server 0x1d 1 "SubmitShares.Error" SubmitSharesError (mining::SubmitSharesError);
        Server 0x1f 1 "NewExtendedMiningJob" NewExtendedMiningJob boxed (mining::NewExtendedMiningJob);
        Server 0x20 1 "SetNewPrevHash" SetNewPrevHash (mining::SetNewPrevHash);
        Server 0x21 1 "SetTarget" SetTarget (mining::SetTarget);
        Client 0x22 1 "SetCustomMiningJob" SetCustomMiningJob boxed (mining::SetCustomMiningJob);
        Server 0x23 1 "SetCustomMiningJob.Success" SetCustomMiningJobSuccess (mining::SetCustomMiningJobSuccess);
        Server 0x24 1 "SetCustomMiningJob.Error" SetCustomMiningJobError (mining::SetCustomMiningJobError);
        Server 0x25 0 "SetGroupChannel" SetGroupChannel (mining::SetGroupChannel);
    }
    JobDeclaration 0x0000 {
        Client 0x50 0 "AllocateMiningJobToken" AllocateMiningJobToken (job_declaration::AllocateMiningJobToken);
        Server 0x51 0 "AllocateMiningJobToken.Success" AllocateMiningJobTokenSuccess boxed (job_declaration::AllocateMiningJobTokenSuccess);
        Server 0x55 0 "ProvideMissingTransactions" ProvideMissingTransactions (job_declaration::ProvideMissingTransactions);
        Client 0x56 0 "ProvideMissingTransactions.Success" ProvideMissingTransactionsSuccess (job_declaration::ProvideMissingTransactionsSuccess);
        Client 0x57 0 "DeclareMiningJob" DeclareMiningJob boxed (job_declaration::DeclareMiningJob);
        Server 0x58 0 "DeclareMiningJob.Success" DeclareMiningJobSuccess (job_declaration::DeclareMiningJobSuccess);
        Server 0x59 0 "DeclareMiningJob.Error" DeclareMiningJobError boxed (job_declaration::DeclareMiningJobError);
        Client 0x60 0 "PushSolution" PushSolution boxed (job_declaration::PushSolution);
    }
    TemplateDistribution 0x0000 {
        Client 0x70 0 "CoinbaseOutputConstraints" CoinbaseOutputConstraints (template_distribution::CoinbaseOutputConstraints);
        Server 0x71 0 "NewTemplate" NewTemplate boxed (template_distribution::NewTemplate);
        Server 0x72 0 "SetNewPrevHash" TemplateSetNewPrevHash boxed (template_distribution::SetNewPrevHash);
        Client 0x73 0 "RequestTransactionData" RequestTransactionData (template_distribution::RequestTransactionData);
        Server 0x74 0 "RequestTransactionData.Success" RequestTransactionDataSuccess boxed (template_distribution::RequestTransactionDataSuccess);
        Server 0x75 0 "RequestTransactionData.Error" RequestTransactionDataError (template_distribution::RequestTransactionDataError);
        Client 0x76 0 "SubmitSolution" SubmitSolution (template_distribution::SubmitSolution);
    }
    ExtensionNegotiation 0x0001 {
        Client 0x00 0 "RequestExtensions" RequestExtensions (extensions::RequestExtensions);
        Server 0x01 0 "RequestExtensions.Success" RequestExtensionsSuccess (extensions::RequestExtensionsSuccess);
        Server 0x02 0 "RequestExtensions.Error" RequestExtensionsError (extensions::RequestExtensionsError);
    }
}

/// Where the rows of an extension's numbers stand in the table; behind its end where there is none.
static ROWS: [[u8; 256]; 2] = {
    let mut rows = [[u8::MAX; 256]; 2];
    let mut place: u8 = 0;
    while (place as usize) < DESCRIPTORS.len() {
        let row = DESCRIPTORS[place as usize];
        rows[row.extension as usize][row.number as usize] = place;
        place += 1;
    }
    rows
};

const _: () = assert!(size_of::<Message>() <= 64, "a variant above 64 bytes must be boxed");

#[cfg(test)]
mod tests;
