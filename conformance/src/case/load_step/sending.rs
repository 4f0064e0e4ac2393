//! Steps that send: messages, lies in frames and in the encryption, raw bytes.

use sv2::message::Descriptor;
use sv2::wire::{Kind, TlvOrder};

use super::{BYTES, StepLoader, U8, U16, U24, U64};
use crate::case::document::{Data, Keys, LoadError, Node};
use crate::case::step::{
    CipherLies, CipherPart, FrameLies, Patch, Raw, Send, SendRaw, TlvField, WriteStyle,
};
use crate::case::value::{Expression, Value};

impl StepLoader<'_> {
    pub(super) fn load_send(
        &mut self,
        keys: &mut Keys<'_>,
        main: &Node,
    ) -> Result<Send, LoadError> {
        let document = self.document;
        let message = self.message(main)?;
        let mut fields = Vec::new();
        if let Some(node) = keys.take("fields") {
            for entry in document.keys(node)?.all() {
                let field = self.field(message, &entry.key, entry.at)?;
                fields.push((field, self.expression(&entry.node, Some(field.kind))?));
            }
        }
        let from = self.optional(keys, "from", None)?;
        let frame = match keys.take("frame") {
            None => FrameLies::default(),
            Some(node) => self.load_lies(message, node)?,
        };
        let write = self.load_write(keys)?;
        let cipher = self.load_cipher(keys)?;
        let mut saves = Vec::new();
        if let Some(node) = keys.take("save") {
            for entry in document.keys(node)?.all() {
                let source = document.string(&entry.node)?;
                if source != "." {
                    self.field(message, source, entry.node.at)?;
                }
                self.define(&entry.key);
                saves.push((entry.key.clone(), source.to_owned()));
            }
        }
        Ok(Send { message, fields, from, frame, write, cipher, saves })
    }

    fn load_lies(
        &mut self,
        message: &'static Descriptor,
        node: &Node,
    ) -> Result<FrameLies, LoadError> {
        let document = self.document;
        let mut keys = document.keys(node)?;
        let mut lies = FrameLies {
            extension_type: self.optional(&mut keys, "extension_type", Some(&U16))?,
            message_type: self.optional(&mut keys, "message_type", Some(&U8))?,
            channel_bit: self.optional(&mut keys, "channel_bit", Some(&Kind::Bool))?,
            payload_len: self.optional(&mut keys, "payload_len", Some(&U24))?,
            keep: self.optional(&mut keys, "keep", Some(&U64))?,
            trailing: self.optional(&mut keys, "trailing", Some(&BYTES))?,
            ..FrameLies::default()
        };
        if let Some(node) = keys.take("tlvs") {
            for node in document.list(node)? {
                let mut keys = document.keys(node)?;
                lies.tlvs.push(TlvField {
                    extension: self.expression(keys.require("extension")?, Some(&U16))?,
                    field: self.expression(keys.require("field")?, Some(&U8))?,
                    value: self.expression(keys.require("value")?, Some(&BYTES))?,
                });
                keys.finish(&["extension", "field", "value"])?;
            }
        }
        if let Some(node) = keys.take("tlv_order") {
            lies.tlv_order = document.one_of(
                node,
                "byte order",
                &[("little", TlvOrder::LittleEndian), ("big", TlvOrder::BigEndian)],
            )?;
        }
        if let Some(node) = keys.take("patch") {
            for node in document.list(node)? {
                let mut keys = document.keys(node)?;
                let path_node = keys.require("field")?;
                let field = document.string(path_node)?.to_owned();
                self.field(message, field.split('[').next().unwrap_or(&field), path_node.at)?;
                let at = match keys.take("at") {
                    None => 0,
                    Some(node) => document.integer(node)?,
                };
                let bytes = self.expression(keys.require("bytes")?, Some(&BYTES))?;
                keys.finish(&["field", "at", "bytes"])?;
                lies.patches.push(Patch { field, at, bytes });
            }
        }
        keys.finish(&[
            "extension_type",
            "message_type",
            "channel_bit",
            "payload_len",
            "keep",
            "trailing",
            "tlvs",
            "tlv_order",
            "patch",
        ])?;
        Ok(lies)
    }

    pub(super) fn load_send_raw(
        &mut self,
        keys: &mut Keys<'_>,
        main: &Node,
    ) -> Result<SendRaw, LoadError> {
        let document = self.document;
        let raw = match &main.data {
            Data::Table(_) => {
                let mut keys = document.keys(main)?;
                let raw = Raw::Frame {
                    extension_type: self.expression(keys.require("extension_type")?, Some(&U16))?,
                    message_type: self.expression(keys.require("message_type")?, Some(&U8))?,
                    payload: match keys.take("payload") {
                        None => Expression::Constant(Value::Bytes(bytes::Bytes::new())),
                        Some(node) => self.expression(node, Some(&BYTES))?,
                    },
                    payload_len: self.optional(&mut keys, "payload_len", Some(&U24))?,
                };
                keys.finish(&["extension_type", "message_type", "payload", "payload_len"])?;
                raw
            }
            _ => Raw::Bytes(self.expression(main, Some(&BYTES))?),
        };
        Ok(SendRaw { raw, write: self.load_write(keys)?, cipher: self.load_cipher(keys)? })
    }

    pub(in crate::case::load_step) fn load_write(
        &mut self,
        keys: &mut Keys<'_>,
    ) -> Result<WriteStyle, LoadError> {
        let document = self.document;
        let Some(node) = keys.take("write") else { return Ok(WriteStyle::default()) };
        let mut keys = document.keys(node)?;
        let mut write = WriteStyle::default();
        if let Some(node) = keys.take("chunks") {
            write.chunks = self.chunks(node)?;
        }
        if let Some(node) = keys.take("glue") {
            write.glue = document.boolean(node)?;
        }
        keys.finish(&["chunks", "glue"])?;
        Ok(write)
    }

    pub(super) fn chunks(&self, node: &Node) -> Result<Vec<usize>, LoadError> {
        let document = self.document;
        let chunks: Vec<usize> = match &node.data {
            Data::Integer(_) => vec![document.integer(node)?],
            _ => document
                .list(node)?
                .iter()
                .map(|node| document.integer(node))
                .collect::<Result<_, _>>()?,
        };
        match chunks.contains(&0) {
            true => Err(document.error(node.at, "a write has at least one byte")),
            false => Ok(chunks),
        }
    }

    fn load_cipher(&mut self, keys: &mut Keys<'_>) -> Result<CipherLies, LoadError> {
        let document = self.document;
        let Some(node) = keys.take("cipher") else { return Ok(CipherLies::default()) };
        let mut keys = document.keys(node)?;
        let mut lies = CipherLies::default();
        if let Some(node) = keys.take("corrupt") {
            lies.corrupt = Some(match &node.data {
                Data::Text(word) if word.starts_with('$') => self.expression(node, None)?,
                _ => {
                    document.one_of(node, "part of a frame", CipherPart::NAMES)?;
                    Expression::Constant(Value::text(document.string(node)?))
                }
            });
        }
        if let Some(node) = keys.take("replay") {
            lies.replay = document.boolean(node)?;
        }
        if let Some(node) = keys.take("keep") {
            lies.keep = Some(document.integer(node)?);
        }
        if let Some(node) = keys.take("skip") {
            lies.skip = document.integer(node)?;
        }
        if let Some(node) = keys.take("empty_block") {
            lies.empty_block = document.boolean(node)?;
        }
        keys.finish(&["corrupt", "replay", "keep", "skip", "empty_block"])?;
        Ok(lies)
    }
}
