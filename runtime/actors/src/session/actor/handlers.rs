//! What the session does with each message.

use super::*;

impl Handler<Command> for Session {
    type Result = ();

    fn handle(&mut self, command: Command, ctx: &mut Self::Context) {
        if command.asks_for_state() && !self.shard.store.is_owner_still(self.node) {
            // The process stood still, or the database is away, and another node may have gone on with the session. Whoever asks
            // asks again, and is told by the drop to do so.
            if self.shard.store.node() != self.node {
                ctx.stop();
            }
            return;
        }
        match command {
            Command::Submit(Submit {
                client_message_id,
                said,
                request_id,
                trace,
                permit,
                reply,
                end,
            }) => {
                self.last_used = Instant::now();
                if !self.erasing.is_empty() {
                    // A new session of this id begins after the erasure: whoever asks asks again, and is told to by the drop.
                    return;
                }
                let sink = ReplySink::Submit {
                    reply,
                    client_message_id,
                    permit,
                    received: Instant::now(),
                    end,
                };
                let reply_to = self.expect_reply(sink);
                let input = Input::Submit {
                    client_message_id,
                    said,
                    reply_to,
                };
                let effects = with_context(|core_ctx| self.core.handle(input, core_ctx));
                self.begin_span(&effects, &request_id, trace.as_ref());
                self.perform(effects, ctx);
            }
            Command::Cancel { turn_id, reply } => {
                let reply_to = self.expect_reply(ReplySink::Cancel(reply));
                self.handle_input(Input::Cancel { turn_id, reply_to }, ctx);
            }
            Command::Subscribe(subscribe) => self.subscribe(subscribe, ctx),
            Command::Leave(connection) => {
                self.subscribers.remove(&connection);
                self.last_used = Instant::now();
                self.show_face();
            }
            Command::Credit(connection, bytes) => {
                if let Some(subscriber) = self.subscribers.get_mut(&connection) {
                    subscriber.credit(bytes, Instant::now());
                    self.catch_up(connection, ctx);
                }
            }
            Command::Alive(connection) => {
                if let Some(subscriber) = self.subscribers.get_mut(&connection) {
                    subscriber.alive(Instant::now());
                }
            }
            Command::AwaitTurn { turn_id, reply } => {
                if self.core.is_open(turn_id) {
                    self.waiting_for_end.entry(turn_id).or_default().push(reply);
                } else {
                    let _ = reply.send(None);
                }
            }
            Command::Describe { reply } => drop(reply.send(self.totals.clone())),
            Command::Erase { reply } => self.begin_erasing(reply, ctx),
            Command::Person { request, reply } => self.person_asks(request, reply, ctx),
        }
    }
}

impl Handler<Committed> for Session {
    type Result = ();

    fn handle(&mut self, Committed(outcome): Committed, ctx: &mut Self::Context) {
        match outcome {
            Ok(()) => {
                if let Some(Appending { through, .. }) = self.appending.take() {
                    self.handle_input(Input::Committed { through }, ctx);
                    self.note_commit(ctx);
                }
            }
            Err(CommitFailed { reason }) => {
                // What is stored is the truth, and this actor now believes more than that: its successor starts from it.
                tracing::error!(session.id = %self.id(), error = %reason, "the session starts anew from its journal");
                let unavailable =
                    || Refusal::overloaded("The journal cannot be written just now.", Duration::from_secs(1));
                let waiting: Vec<_> = self.replies.drain().map(|(_, sink)| sink).collect();
                for sink in waiting {
                    match sink {
                        ReplySink::Submit {
                            reply,
                            client_message_id,
                            ..
                        } => {
                            self.refuse(reply, client_message_id, unavailable());
                        }
                        ReplySink::Cancel(reply) => self.reply_to_cancel(reply, Reply::Refused(unavailable())),
                        ReplySink::Person(reply) => drop(reply.send(Err(unavailable()))),
                    }
                }
                ctx.stop();
            }
        }
    }
}

impl Handler<Routed> for Session {
    type Result = ();

    fn handle(&mut self, Routed { run, end }: Routed, ctx: &mut Self::Context) {
        match end {
            RoutingEnd::Decided { decision, advice } => {
                if let Some(Advice { used, is_missed }) = advice {
                    self.handle_input(Input::Advised { run, used, is_missed }, ctx);
                }
                self.handle_input(Input::Routed { run, decision }, ctx);
            }
            RoutingEnd::Stopped(receipt) => self.handle_input(Input::Stopped { run, receipt }, ctx),
        }
    }
}

impl Handler<AgentReport> for Session {
    type Result = ();

    fn handle(&mut self, report: AgentReport, ctx: &mut Self::Context) {
        let AgentReport {
            run,
            part,
            steps,
            part_end,
            end,
        } = report;
        // One pass over steps and end, so that all of it goes into one append.
        let effects = with_context(|core_ctx| {
            let mut effects = Vec::new();
            if !steps.is_empty() {
                effects.extend(self.core.handle(Input::Steps { run, part, steps }, core_ctx));
            }
            if let Some(outcome) = part_end {
                effects.extend(self.core.handle(Input::PartEnded { run, part, outcome }, core_ctx));
            }
            match end {
                Some(RunEnd::Finished(outcome)) => {
                    let lost = outcome.as_ref().err().map(|failed| failed.used).unwrap_or_default();
                    let outcome = outcome.map_err(|failed| failed.failure);
                    effects.extend(self.core.handle(Input::Finished { run, outcome, lost }, core_ctx));
                }
                Some(RunEnd::Paused(pause, used)) => {
                    effects.extend(self.core.handle(Input::Paused { run, pause, used }, core_ctx));
                }
                Some(RunEnd::Stopped(receipt)) => {
                    effects.extend(self.core.handle(Input::Stopped { run, receipt }, core_ctx));
                }
                None => {}
            }
            effects
        });
        self.perform(effects, ctx);
    }
}

impl Handler<Sweep> for Session {
    type Result = ();

    fn handle(&mut self, sweep: Sweep, ctx: &mut Self::Context) {
        self.handle_input(
            Input::Tick {
                run_max: self.shard.settings.turn_max,
            },
            ctx,
        );
        let now = Instant::now();
        let metrics = &self.shard.metrics;
        self.subscribers.retain(|_, subscriber| match subscriber.check(now) {
            Health::Well => true,
            Health::TooSlow => {
                metrics.slow_consumer(SlowConsumerAction::Cut);
                true
            }
            Health::Gone => false,
        });
        self.show_face();
        let behind: Vec<_> = self.subscribers.keys().copied().collect();
        for id in behind {
            self.catch_up(id, ctx);
        }
        let unused = self.subscribers.is_empty() && self.core.is_idle() && self.waiting_for_end.is_empty();
        if unused && !self.is_busy() && now - self.last_used >= sweep.idle_after {
            self.shard.metrics.session_passivated();
            self.give_state();
            self.is_over = true;
            ctx.stop();
        }
    }
}

impl Handler<Drain> for Session {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Self::Context) {
        if drain.close {
            self.send_away();
            return;
        }
        let reconnect_after_ms = u64::try_from(drain.reconnect_after.as_millis()).unwrap_or(u64::MAX);
        let frame = signal(
            self.id(),
            SignalBody::ServerDraining(ServerDraining { reconnect_after_ms }),
        );
        for subscriber in self.subscribers.values_mut() {
            if !subscriber.is_relayed() {
                subscriber.tell(vec![frame.clone()]);
            }
        }
    }
}

impl Handler<Yield> for Session {
    type Result = ();

    fn handle(&mut self, Yield(command): Yield, ctx: &mut Self::Context) {
        // What waits for a person waits as well with another node.
        if !self.core.only_waits() || self.is_busy() {
            return self.handle(command, ctx);
        }
        // Whoever has sent the command asks again, and finds that nobody has the session.
        self.send_away();
        self.give_state();
        self.is_over = true;
        ctx.stop();
    }
}

impl Handler<Abandon> for Session {
    type Result = ();

    fn handle(&mut self, _: Abandon, ctx: &mut Self::Context) {
        // It may have been started since, as the node that this one is now.
        if self.node != self.shard.store.node() {
            ctx.stop();
        }
    }
}

impl Session {
    /// Closes the subscribers because the server stops. Those of other nodes subscribe anew to whoever has the session then.
    fn send_away(&mut self) {
        for (_, subscriber) in self.subscribers.drain() {
            match subscriber.is_relayed() {
                true => subscriber.abandon(),
                false => subscriber.close(CloseReason::Draining),
            }
        }
    }

    /// Whether something waits for a commit or for an answer.
    fn is_busy(&self) -> bool {
        self.appending.is_some() || !self.erasing.is_empty() || !self.replies.is_empty()
    }
}
