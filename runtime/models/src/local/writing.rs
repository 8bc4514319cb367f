//! One reply: tokens from the worker's thread, text and deltas on this side.

use std::ops::ControlFlow;
use std::sync::Arc;

use ropewalk_core::message::{ChatReply, ChatRequest, FinishReason, Sampling, TokenLogprob, Usage};
use ropewalk_infer::chat::dialect::{ReplyReader, Thinking, taken_ids};
use ropewalk_infer::error::InferError;
use ropewalk_infer::model::LocalModel;
use ropewalk_infer::sampling::Sampled;
use ropewalk_infer::stop::TextOut;
use ropewalk_infer::worker::{EndReason, Ended, Listener};
use tokio::sync::mpsc::UnboundedSender;

use crate::engine::DeltaSink;

/// What comes from the worker's thread.
pub(super) enum News {
    Piece(Piece),
    Ended(Result<Ended, InferError>),
}

/// More of a reply.
pub(super) struct Piece {
    text: String,
    logprob: Option<TokenLogprob>,
}

/// Turns tokens into text where they come from, so that a stop text ends the reply at once.
pub(super) struct Relay {
    sender: UnboundedSender<News>,
    model: Arc<LocalModel>,
    text: TextOut,
    logprobs: bool,
}

impl Relay {
    pub(super) fn new(
        sender: UnboundedSender<News>,
        model: Arc<LocalModel>,
        sampling: &Sampling,
    ) -> Self {
        Self {
            sender,
            model,
            text: TextOut::new(&sampling.stop),
            logprobs: sampling.logprobs.is_some(),
        }
    }

    fn logprob(&self, sampled: &Sampled) -> Option<TokenLogprob> {
        let text =
            |token: u32| String::from_utf8_lossy(self.model.tokenizer.bytes(token)).into_owned();
        let top = sampled
            .top
            .iter()
            .map(|(token, logprob)| (text(*token), *logprob));
        self.logprobs.then(|| TokenLogprob {
            token: text(sampled.token),
            logprob: sampled.logprob,
            top: top.collect(),
        })
    }
}

impl Listener for Relay {
    fn token(&mut self, sampled: &Sampled) -> ControlFlow<()> {
        let tokenizer = &self.model.tokenizer;
        let logprob = self.logprob(sampled);
        let (text, stopped) = if tokenizer.ends().contains(&sampled.token) {
            (String::new(), false)
        } else {
            let piece = self.text.push(tokenizer.bytes(sampled.token));
            (piece.text, piece.stopped)
        };
        let news = News::Piece(Piece { text, logprob });
        if self.sender.send(news).is_err() || stopped {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn end(mut self: Box<Self>, ended: Result<Ended, InferError>) {
        let text = self.text.finish();
        if !text.is_empty() {
            let piece = Piece {
                text,
                logprob: None,
            };
            let _ = self.sender.send(News::Piece(piece));
        }
        let _ = self.sender.send(News::Ended(ended));
    }
}

/// The reply so far.
pub(super) struct Writing {
    reader: ReplyReader,
    deltas: DeltaSink,
    logprobs: Vec<TokenLogprob>,
}

impl Writing {
    pub(super) fn new(
        model: &LocalModel,
        request: &ChatRequest,
        thinking: Thinking,
        deltas: DeltaSink,
    ) -> Self {
        let taken = taken_ids(&request.messages);
        Self {
            reader: model.dialect.reader(thinking, &request.tools, taken),
            deltas,
            logprobs: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, piece: Piece) {
        self.logprobs.extend(piece.logprob);
        for delta in self.reader.push(&piece.text) {
            self.deltas.send(delta);
        }
    }

    /// The whole reply, and calls that cannot be read.
    pub(super) fn finish(self, ended: &Ended) -> (ChatReply, Vec<String>) {
        let (read, rest) = self.reader.finish();
        for delta in rest {
            self.deltas.send(delta);
        }
        let finish = match ended.reason {
            EndReason::Length | EndReason::Cancelled => FinishReason::Length,
            _ if !read.calls.is_empty() => FinishReason::ToolCalls,
            EndReason::Turn | EndReason::Stopped => FinishReason::Stop,
        };
        // A call that the limit cut off was never made; asking for it again would be cut as well.
        let broken = match finish {
            FinishReason::Length => Vec::new(),
            _ => read.broken,
        };
        let reply = ChatReply {
            text: read.text,
            thinking: read.thinking,
            calls: read.calls,
            finish,
            usage: Usage {
                input_tokens: ended.prompt as u64,
                output_tokens: ended.written as u64,
                cached_tokens: ended.cached as u64,
                ..Usage::default()
            },
            logprobs: self.logprobs,
            abstained: false,
            engine: None,
            passed_over: Vec::new(),
        };
        (reply, broken)
    }
}
