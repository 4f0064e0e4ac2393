//! Building and sending: honest messages, and lies at the place where a case wants them.

use bytes::Bytes;
use sv2::message::Descriptor;
use sv2::wire::compose::compose;
use sv2::wire::dissect::dissect;
use sv2::wire::{Frame, FrameHeader, Tlv, Tlvs};

use super::connection::{Connection, bytes_of};
use super::{Session, Stop};
use crate::case::step::{CipherLies, CipherPart, FrameLies, Raw, Send, SendRaw, WriteStyle};
use crate::case::value::{EvaluationError, Expression, Scope, Value};
use crate::client::exchange::{Content, Direction, FrameView, MessageView, What};
use crate::client::wire::{Damage, cut};

impl Session<'_> {
    pub(super) fn send(&mut self, on: &str, send: &Send) -> Result<(), Stop> {
        self.connection(on)?;
        self.drain(on);
        let mut stated: Vec<(&'static str, Value)> = Vec::with_capacity(send.fields.len());
        for (field, expression) in &send.fields {
            stated.push((field.name, expression.evaluate(&self.view(on))?));
        }
        if let Some(from) = &send.from {
            let record = from.evaluate(&self.view(on))?;
            for field in send.message.fields {
                if let (false, Some(value)) =
                    (stated.iter().any(|(name, _)| *name == field.name), record.part(field.name))
                {
                    stated.push((field.name, value));
                }
            }
        }
        let message = self.compose(on, send.message, &stated)?;
        for (variable, source) in &send.saves {
            let value = match source.as_str() {
                "." => message.record(),
                field => message.field(field).cloned().unwrap_or(Value::List(Vec::new())),
            };
            self.variables.insert(variable.clone(), value);
        }
        let (header, payload) = self.lie(on, &message, &send.frame)?;
        self.stimulate(on);
        let damage = self.damage(on, &send.cipher)?;
        self.transmit(on, header, payload, Some(message), damage, &send.write)
    }

    /// An honest message with the stated values, defaults for the rest.
    pub(super) fn compose(
        &mut self,
        on: &str,
        descriptor: &'static Descriptor,
        stated: &[(&'static str, Value)],
    ) -> Result<MessageView, Stop> {
        let Some(mut connection) = self.connections.remove(on) else {
            return Err(EvaluationError(format!("there is no connection `{on}` yet")).into());
        };
        let fields: Vec<(&'static str, Value)> = descriptor
            .fields
            .iter()
            .map(|field| {
                let known = stated.iter().find(|(name, _)| *name == field.name);
                let value = match known {
                    Some((_, value)) => value.clone(),
                    None => self.default_field(&mut connection, descriptor, field, stated),
                };
                (field.name, value)
            })
            .collect();
        self.connections.insert(on.to_owned(), connection);
        // What was computed must fit before anything is sent.
        for (field, (_, value)) in descriptor.fields.iter().zip(&fields) {
            value.to_wire(field.kind).map_err(|why| {
                EvaluationError(format!("{}.{}: {why}", descriptor.name, field.name))
            })?;
        }
        Ok(MessageView { descriptor, fields, trailing: Bytes::new() })
    }

    fn lie(
        &self,
        on: &str,
        message: &MessageView,
        lies: &FrameLies,
    ) -> Result<(FrameHeader, Vec<u8>), Stop> {
        let descriptor = message.descriptor;
        let mut payload = payload_of(message)?;
        let honest_len = payload.len() as u64;
        let view =
            self.view(on).with_message(message).with_field("payload_len", Value::Int(honest_len));
        for patch in &lies.patches {
            let dissection = dissect(descriptor.fields, &payload);
            let bytes = bytes_of(&patch.bytes.evaluate(&view)?)?;
            let start = dissection
                .node(&patch.field)
                .map(|node| node.span.start + patch.at)
                .filter(|start| start + bytes.len() <= payload.len())
                .ok_or_else(|| {
                    EvaluationError(format!(
                        "{} has no room for the patch of `{}`",
                        descriptor.name, patch.field
                    ))
                })?;
            payload[start..start + bytes.len()].copy_from_slice(&bytes);
        }
        if !lies.tlvs.is_empty() {
            let fields: Vec<Tlv> = lies
                .tlvs
                .iter()
                .map(|tlv| {
                    Ok(Tlv {
                        extension: number(&tlv.extension, &view)?,
                        field: number(&tlv.field, &view)?,
                        value: Bytes::from(bytes_of(&tlv.value.evaluate(&view)?)?),
                    })
                })
                .collect::<Result<_, EvaluationError>>()?;
            if fields.iter().any(|tlv| tlv.value.len() > usize::from(u16::MAX)) {
                return Err(EvaluationError("a TLV holds at most 65535 bytes".into()).into());
            }
            payload.extend_from_slice(Tlvs::encode(&fields, lies.tlv_order).as_bytes());
        }
        if let Some(trailing) = &lies.trailing {
            payload.extend(bytes_of(&trailing.evaluate(&view)?)?);
        }
        if let Some(keep) = &lies.keep {
            payload.truncate(number(keep, &view)?);
        }
        let mut extension_type = descriptor.extension_type();
        if let Some(bit) = &lies.channel_bit {
            extension_type &= !FrameHeader::CHANNEL_BIT;
            if bit.evaluate(&view)?.as_int() == Some(1) {
                extension_type |= FrameHeader::CHANNEL_BIT;
            }
        }
        if let Some(expression) = &lies.extension_type {
            extension_type = number(expression, &view)?;
        }
        let message_type = match &lies.message_type {
            None => descriptor.number,
            Some(expression) => number(expression, &view)?,
        };
        let payload_len = match &lies.payload_len {
            None => u32::try_from(payload.len())
                .map_err(|_| EvaluationError("the payload is too long".into()))?,
            Some(expression) => number(expression, &view)?,
        };
        Ok((FrameHeader { extension_type, message_type, payload_len }, payload))
    }

    pub(super) fn send_raw(&mut self, on: &str, send: &SendRaw) -> Result<(), Stop> {
        self.connection(on)?;
        self.drain(on);
        match &send.raw {
            Raw::Bytes(expression) => {
                let bytes = bytes_of(&expression.evaluate(&self.view(on))?)?;
                self.stimulate(on);
                self.note_on(on, What::Bytes(Direction::Sent, Bytes::from(bytes.clone())));
                self.put(on, bytes, &send.write)
            }
            Raw::Frame { extension_type, message_type, payload, payload_len } => {
                let view = self.view(on);
                let payload = bytes_of(&payload.evaluate(&view)?)?;
                let view = view.with_field("payload_len", Value::Int(payload.len() as u64));
                let header = FrameHeader {
                    extension_type: number(extension_type, &view)?,
                    message_type: number(message_type, &view)?,
                    payload_len: match payload_len {
                        None => u32::try_from(payload.len())
                            .map_err(|_| EvaluationError("the payload is too long".into()))?,
                        Some(expression) => number(expression, &view)?,
                    },
                };
                let damage = self.damage(on, &send.cipher)?;
                self.stimulate(on);
                self.transmit(on, header, payload, None, damage, &send.write)
            }
        }
    }

    /// Sends an honest message.
    pub(super) fn send_message(&mut self, on: &str, message: MessageView) -> Result<(), Stop> {
        let payload = payload_of(&message)?;
        let descriptor = message.descriptor;
        let header = FrameHeader {
            extension_type: descriptor.extension_type(),
            message_type: descriptor.number,
            payload_len: u32::try_from(payload.len())
                .map_err(|_| EvaluationError("the payload is too long".into()))?,
        };
        let (damage, write) = (Damage::default(), WriteStyle::default());
        self.transmit(on, header, payload, Some(message), damage, &write)
    }

    fn damage(&self, on: &str, lies: &CipherLies) -> Result<Damage, Stop> {
        let corrupt = match &lies.corrupt {
            None => None,
            Some(expression) => {
                let value = expression.evaluate(&self.view(on))?;
                let part = CipherPart::NAMES.iter().find(|(name, _)| {
                    value.as_bytes().is_some_and(|word| word.as_ref() == name.as_bytes())
                });
                let part = part.ok_or_else(|| {
                    EvaluationError(format!("{value} is no part of a sealed frame"))
                })?;
                Some(part.1)
            }
        };
        let CipherLies { replay, keep, skip, empty_block, .. } = *lies;
        Ok(Damage { corrupt, replay, keep, skip, empty_block })
    }

    fn transmit(
        &mut self,
        on: &str,
        header: FrameHeader,
        payload: Vec<u8>,
        message: Option<MessageView>,
        damage: Damage,
        write: &WriteStyle,
    ) -> Result<(), Stop> {
        if let Some(message) = &message {
            let connection = self.connection(on)?;
            let is_client = !connection.is_served();
            connection.tracker.note(is_client, message);
            connection.is_set_up |= message.descriptor.name == "SetupConnection.Success";
            if let Some(service) = &mut connection.service {
                service.note_sent(message);
            }
            connection.sent.push((connection.items.len(), message.clone()));
        }
        let payload = Bytes::from(payload);
        let frame = Frame {
            extension_type: header.extension_type,
            message_type: header.message_type,
            payload: payload.clone(),
        };
        // What is recorded is what was sent, which may not be what the case calls it.
        let mut view = FrameView::of(&frame);
        view.header = header;
        if let (Content::Unknown, Some(message)) = (&view.content, message) {
            view.content = Content::Malformed(message.descriptor, "sent as another type".into());
        }
        self.note_on(on, What::Frame(Direction::Sent, view));
        let connection = self.connection(on)?;
        let bytes = match (&mut connection.sealer, connection.has_frames) {
            (Some(sealer), _) => sealer.frame(header, &payload, damage),
            (None, true) => [&header.to_bytes()[..], &payload].concat(),
            (None, false) => {
                let why = "the connection has no frames: `connect` with \"noise\" or \"plain\"";
                return Err(EvaluationError(why.into()).into());
            }
        };
        self.put(on, bytes, write)
    }

    /// Writes bytes, in pieces or together with the next ones.
    pub(super) fn put(&mut self, on: &str, bytes: Vec<u8>, write: &WriteStyle) -> Result<(), Stop> {
        let connection = self.connection(on)?;
        connection.glued.extend(bytes);
        if write.glue {
            return Ok(());
        }
        let bytes = std::mem::take(&mut connection.glued);
        let Some(mut connection) = self.connections.remove(on) else { return Ok(()) };
        for piece in cut(&bytes, &write.chunks) {
            self.write(on, &mut connection, piece);
        }
        self.connections.insert(on.to_owned(), connection);
        Ok(())
    }

    /// Draws fresh numbers; used where the runner sends on its own.
    pub(super) fn fresh_request(connection: &mut Connection) -> u32 {
        connection.next_request += 1;
        connection.next_request - 1
    }
}

fn payload_of(message: &MessageView) -> Result<Vec<u8>, EvaluationError> {
    let fields = message.descriptor.fields;
    compose(fields, |name| {
        let field = fields.iter().find(|field| field.name == name)?;
        message.field(name)?.to_wire(field.kind).ok()
    })
    .map_err(|error| EvaluationError(error.to_string()))
}

fn number<T: TryFrom<u64>>(
    expression: &Expression,
    scope: &dyn Scope,
) -> Result<T, EvaluationError> {
    let value = expression.evaluate(scope)?;
    value
        .as_int()
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| EvaluationError(format!("{value} does not fit here")))
}
