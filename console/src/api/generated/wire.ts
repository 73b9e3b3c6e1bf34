// Generated from the crate `orchestratai-shared`; a test fails where it is stale. Do not edit.
// To write it anew: UPDATE_TYPESCRIPT=1 cargo test -p orchestratai-shared typescript

/** RFC 3339, UTC, milliseconds. */
export type Timestamp = string
/** 0 to 1, in hundredths. */
export type Confidence = number
/** A UUID. */
export type SessionId = string
/** A UUID. */
export type TurnId = string
/** A UUID. */
export type MessageId = string
/** A UUID. */
export type LogId = string
/** A UUID. */
export type ClientMessageId = string
/** A UUID. */
export type ApprovalId = string
export type AgentId = string;
export type AgentStatus = "idle" | "routing" | "active" | "complete";
export type AgentColor = "cyan" | "green" | "blue" | "purple";
export type Agent = { 
/**
 * Its id.
 */
id: AgentId, 
/**
 * Its name for people.
 */
name: string, 
/**
 * What it is doing.
 */
status: AgentStatus, 
/**
 * The model that answers, such as `embedded-extractive`.
 */
model: string, 
/**
 * How it retrieves; left out where it answers without retrieval.
 */
strategy?: RetrievalStrategy, 
/**
 * Its colour.
 */
color: AgentColor, 
/**
 * Tokens that its providers have reported.
 */
tokensUsed: number, 
/**
 * What these tokens cost, in USD.
 */
cost: number, 
/**
 * Whether its last answer came from the semantic cache; left out before its first answer.
 */
cached?: boolean, };
export type MessageRole = "user" | "assistant";
export type Message = { 
/**
 * Its id.
 */
id: MessageId, 
/**
 * Who speaks.
 */
role: MessageRole, 
/**
 * What is said.
 */
content: string, 
/**
 * Which agent speaks; left out for a user's message.
 */
agent?: AgentId, 
/**
 * How sure the answer is; left out for a user's message and for an answer that was cut short.
 */
confidence?: Confidence, 
/**
 * When it was said.
 */
timestamp: Timestamp, 
/**
 * The session it belongs to.
 */
sessionId: SessionId, };
export type Citation = { 
/**
 * The `n` of `[n]`, from 1.
 */
index: number, 
/**
 * The chunk's rank in the turn's `vector_search` result, from 0.
 */
chunkId: number, 
/**
 * The document's path relative to the ingested folder.
 */
source: string, };
export type ClientTools = { 
/**
 * What may be called; no two have the same name.
 */
tools: Array<ClientTool>, 
/**
 * Whether one of them has to be called; left out where that is the model's to decide.
 */
mustCall?: boolean, 
/**
 * Whether no more than one may be called at once; left out where several may.
 */
oneAtOnce?: boolean, };
export type ClientTool = { 
/**
 * Its name: letters, digits, `_` and `-`, 64 at most.
 */
name: string, 
/**
 * What it is good for, in the client's words.
 */
description: string, 
/**
 * The JSON Schema of its arguments, an object. The client checks arguments by it, nobody here does.
 */
parameters: unknown, };
export type ClientCall = { 
/**
 * Names the call, and the turn that has ended with it.
 */
callId: string, 
/**
 * The tool.
 */
tool: string, 
/**
 * What it is to be given: an object as the model has made it up, or a text where it has written anything else, as it was written.
 */
arguments: unknown, 
/**
 * What was called together, the agent's own calls among it, has the same number, from 1 in each turn.
 */
round: number, 
/**
 * Its place among that, from 0.
 */
place: number, 
/**
 * What the model's provider wants to see again with the call, unread.
 */
signature?: string, };
export type AnsweredCall = { 
/**
 * Names the call; no other of its conversation has the same name.
 */
callId: string, 
/**
 * The tool.
 */
tool: string, 
/**
 * What it was given: an object, or a text where the model has written anything else.
 */
arguments: unknown, 
/**
 * What it gave back: text that others wrote.
 */
result: string, 
/**
 * Whether it failed; left out where it did not, or nobody knows.
 */
failed?: boolean, 
/**
 * What the model's provider wants to see again with the call, unread.
 */
signature?: string, };
export type ContextMessage = { 
/**
 * Who spoke.
 */
role: MessageRole, 
/**
 * What was said; empty where an assistant has only called tools.
 */
content: string, 
/**
 * What the assistant has called with these words, with what came back; left out where that is nothing.
 */
calls?: Array<AnsweredCall>, };
export type RetrievalStrategy = "Pure RAG" | "Pure CAG" | "Hybrid RAG/CAG";
export type Intent = "META_QUESTION" | "SIMPLE_CHAT" | "PRICING_QUESTION" | "POLICY_QUESTION" | "DOMAIN_QUESTION" | "COMPLEX_QUESTION";
export type LogType = "routing" | "vector_search" | "cache" | "documents";
export type LogStatus = "success" | "warning" | "error";
export type QueryAnalysis = { 
/**
 * What the message wants.
 */
intent: Intent, 
/**
 * How sure the decision is.
 */
confidence: Confidence, 
/**
 * Who answers.
 */
target_agent: AgentId, 
/**
 * The reason, for people.
 */
reasoning: string, 
/**
 * Which attempt at the turn this is, from 2; left out at the first.
 */
attempt?: number, };
export type DocumentChunk = { 
/**
 * Its rank in this result, from 0. Where several agents answer one message, ranks go on from one result of the turn to the
 * next, so that an id names one chunk in the turn.
 */
id: number, 
/**
 * Its text.
 */
content: string, 
/**
 * How near it is to the question, 0 to 1.
 */
similarity: number, 
/**
 * The document's path relative to the ingested folder, without fragment.
 */
source: string, 
/**
 * Title, heading path, collection, front matter and, in a search, the score of each ranker.
 */
metadata?: Record<string, unknown>, };
export type VectorSearch = { 
/**
 * The collection, or several joined by commas.
 */
collection: string, 
/**
 * How many chunks were found.
 */
chunks_retrieved: number, 
/**
 * The chunks, best first.
 */
chunks: Array<DocumentChunk>, 
/**
 * How long it took, in milliseconds.
 */
latency: number, };
export type CacheOutcome = "hit" | "miss";
export type CacheLookup = { 
/**
 * Hit or miss.
 */
status: CacheOutcome, 
/**
 * Hits among all look-ups so far, 0 to 1.
 */
hit_rate: number, 
/**
 * Entries in the cache.
 */
size: number, 
/**
 * Why it was a hit or a miss, for people.
 */
reason?: string, 
/**
 * Cosine similarity of the nearest entry, where there is one.
 */
similarity?: number, };
export type DocumentRead = { 
/**
 * Its rank in the turn's `vector_search` result, from 0.
 */
chunkId: number, 
/**
 * The document's path relative to the ingested folder.
 */
source: string, 
/**
 * Title and headings above the chunk, outermost first.
 */
headingPath: Array<string>, 
/**
 * How near it is to the question, 0 to 1.
 */
similarity: number, 
/**
 * Why it was read, for people.
 */
reason: string, };
export type DocumentsRead = { 
/**
 * What was read, in the order of reading; empty where nothing found was near enough.
 */
documents: Array<DocumentRead>, 
/**
 * The knowledge revision that was read.
 */
revision: number, };
export type RetrievalLog = { 
/**
 * Its id.
 */
id: LogId, 
/**
 * What happened, in a few words.
 */
title: string, 
/**
 * When it happened.
 */
timestamp: Timestamp, 
/**
 * How it went.
 */
status: LogStatus, 
/**
 * The chunks that the step is about, where they are not already in `data`.
 */
chunks?: Array<DocumentChunk>, 
/**
 * The session it belongs to.
 */
sessionId: SessionId, 
/**
 * The user's message that the step helps to answer.
 */
messageId: MessageId, 
/**
 * Who took the step, where several agents answer one message; left out where one does.
 */
agent?: AgentId, } & ({ "type": "routing", "data": QueryAnalysis } | { "type": "vector_search", "data": VectorSearch } | { "type": "cache", "data": CacheLookup } | { "type": "documents", "data": DocumentsRead });
export type ChatSession = { 
/**
 * Its id.
 */
id: SessionId, 
/**
 * Whose it is; left out where nobody is signed in.
 */
userId?: string, 
/**
 * When it began.
 */
startTime: Timestamp, 
/**
 * When it was last used.
 */
lastActivity: Timestamp, 
/**
 * Tokens that providers have reported for it.
 */
totalTokens: number, 
/**
 * What these tokens cost, in USD.
 */
totalCost: number, 
/**
 * Messages in its transcript, the user's and the agents'.
 */
messageCount: number, };
export type CacheStatus = "hit" | "miss" | "none";
export type ChatMetrics = { 
/**
 * Tokens that the provider reported; 0 for the embedded model.
 */
tokensUsed: number, 
/**
 * Those of them that models were sent; left out where there are none, and in what was written before they were told apart.
 */
promptTokens?: number, 
/**
 * Those of them that models have written, thoughts included; left out together with `prompt_tokens`.
 */
completionTokens?: number, 
/**
 * What they cost, in USD, as far as their price is known.
 */
cost: number, 
/**
 * Those of them whose price is not known, which is none of 0; left out where there are none.
 */
unpricedTokens?: number, 
/**
 * From acceptance to the end of the answer, in milliseconds.
 */
latency: number, 
/**
 * Whether the semantic cache answered.
 */
cache_status: CacheStatus, };
export type ErrorCode = "VALIDATION_ERROR" | "UNAUTHENTICATED" | "FORBIDDEN" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "CONFLICT" | "PAYLOAD_TOO_LARGE" | "UNSUPPORTED_MEDIA_TYPE" | "RATE_LIMITED" | "INTERNAL_ERROR" | "UPSTREAM_ERROR" | "OVERLOADED" | "TIMEOUT";
export type Failure = { 
/**
 * The code.
 */
code: ErrorCode, 
/**
 * What went wrong and, where there is something to do, what to do.
 */
message: string, 
/**
 * Whether the same request may succeed later without change.
 */
retryable: boolean, };
export type FieldError = { 
/**
 * Its name, with dots where it is nested; `body`, `query` or `path` where it is the whole.
 */
field: string, 
/**
 * What it must be.
 */
message: string, };
export type ErrorBody = { 
/**
 * The error.
 */
error: ErrorDetail, };
export type ErrorDetail = { 
/**
 * Its code.
 */
code: ErrorCode, 
/**
 * What went wrong, for people.
 */
message: string, 
/**
 * Each field that is not valid.
 */
details?: Array<FieldError>, 
/**
 * When it happened.
 */
timestamp: Timestamp, 
/**
 * The id under which logs and traces know the request.
 */
requestId: string, };
export type Decision = "approved" | "rejected";
export type MessageAccepted = { 
/**
 * The message as the transcript keeps it.
 */
message: Message, 
/**
 * The idempotency key that it came with.
 */
clientMessageId: ClientMessageId, 
/**
 * Whether the semantic cache is passed by; left out where it is not.
 */
fresh?: boolean, 
/**
 * The agent that it was meant for; left out where routing was to decide.
 */
addressee?: AgentId, 
/**
 * What was said before it elsewhere than in this session, oldest first; left out where that is nothing.
 */
context?: Array<ContextMessage>, 
/**
 * The client's own tools that may be called for it; left out where there are none.
 */
clientTools?: ClientTools, 
/**
 * What was called for it in earlier turns that ended with calls of the client's tools; left out where that is nothing.
 */
called?: Array<ContextMessage>, };
export type AgentStatusChanged = { 
/**
 * Which agent.
 */
agent: AgentId, 
/**
 * Its status now.
 */
status: AgentStatus, };
export type Handoff = { 
/**
 * Who gave it.
 */
from: AgentId, 
/**
 * Who has it now.
 */
to: AgentId, 
/**
 * Why, for people.
 */
reason: string, 
/**
 * The name of the person who has taken it over or given it back, as it was given; left out between agents.
 */
by?: string, 
/**
 * What the turn has used by then; left out where that is nothing.
 */
spent?: Spent, };
export type Spent = { 
/**
 * Tokens, as providers reported them.
 */
tokensUsed: number, 
/**
 * Those of them that models were sent; left out in what was written before they were told apart.
 */
promptTokens?: number, 
/**
 * Their price in USD, as far as it is known.
 */
cost: number, 
/**
 * Those of them whose price is not known; left out where there are none.
 */
unpricedTokens?: number, };
export type ToolCallStatus = "started" | "succeeded" | "failed";
export type ToolCall = { 
/**
 * Names the call; the same for its start and its end.
 */
callId: string, 
/**
 * The tool.
 */
tool: string, 
/**
 * What it was given: an object, or a text where the model has written anything else, cut to what is kept of it; no tool was called then.
 */
arguments: unknown, 
/**
 * Where the call stands.
 */
status: ToolCallStatus, 
/**
 * How long it took, in milliseconds; left out while it runs.
 */
durationMs?: number, 
/**
 * What it gave back; left out while it runs.
 */
result?: unknown, 
/**
 * The agent that called it.
 */
agent?: AgentId, 
/**
 * What was called together, by one word of the model, has the same number, from 1 in each turn.
 */
round?: number, 
/**
 * Its place among what was called together, from 0.
 */
place?: number, 
/**
 * The call by which another agent was asked, which has made this one; left out where the turn's own agent has.
 */
within?: string, 
/**
 * What the model's provider wants to see again with the call, unread.
 */
signature?: string, };
export type ApprovalRequested = { 
/**
 * Names the request.
 */
approvalId: ApprovalId, 
/**
 * The tool that waits.
 */
tool: string, 
/**
 * What it would be given.
 */
arguments: unknown, 
/**
 * Why it needs a decision, for people.
 */
reason: string, 
/**
 * When it is decided without anybody.
 */
expiresAt: Timestamp, 
/**
 * What is decided then; rejected where it is left out.
 */
otherwise?: Decision, 
/**
 * The call that waits, as `tool_call` names it.
 */
callId?: string, 
/**
 * The agent that wants to call it.
 */
agent?: AgentId, 
/**
 * What was called together has the same number.
 */
round?: number, 
/**
 * Its place among what was called together, from 0.
 */
place?: number, 
/**
 * What the model's provider wants to see again with the call, unread.
 */
signature?: string, 
/**
 * What the turn has used by then; left out where that is nothing.
 */
spent?: Spent, };
export type ApprovalResolved = { 
/**
 * Names the request.
 */
approvalId: ApprovalId, 
/**
 * What was decided.
 */
decision: Decision, 
/**
 * Who decided.
 */
by: string, 
/**
 * Why, for people.
 */
reason?: string, 
/**
 * What the tool is given in place of what the agent wanted; left out where that stands.
 */
arguments?: unknown, };
export type Incomplete = "max_tokens" | "refused";
export type MessageCompleted = { 
/**
 * The answer as the transcript keeps it.
 */
message: Message, 
/**
 * What it took.
 */
metrics: ChatMetrics, 
/**
 * What its `[n]` stand for.
 */
citations: Array<Citation>, 
/**
 * The idempotency key that a person's message came with; left out where an agent answered.
 */
clientMessageId?: ClientMessageId, 
/**
 * The calls of the client's own tools with which the turn ended in place of an answer; the message is what was said beside
 * them, often nothing. Left out where there are none.
 */
calls?: Array<ClientCall>, 
/**
 * Why the answer is not whole; left out where it is.
 */
incomplete?: Incomplete, };
export type TurnFailed = { 
/**
 * Why.
 */
error: Failure, };
export type TurnCancelled = { 
/**
 * The message that keeps the partial answer; left out where nothing was kept.
 */
messageId?: MessageId, 
/**
 * Length of the partial answer that was kept, in UTF-8 bytes.
 */
kept: number, 
/**
 * From the request to stop until the upstream was closed, in milliseconds; left out where none was open.
 */
upstreamClosedMs?: number, 
/**
 * Tokens that the provider bills all the same.
 */
tokensBilled: number, };
export type SessionReady = { 
/**
 * The session.
 */
session: ChatSession, 
/**
 * The agents.
 */
agents: Array<Agent>, 
/**
 * Names the journal's lineage; it changes only when a backup is restored.
 */
epoch: string, 
/**
 * The last durable event of the session; 0 where there is none.
 */
lastSeq: number, 
/**
 * Whether what follows is all that the client missed; if not, it drops what it has and reads anew.
 */
recovered: boolean, 
/**
 * The turn in progress.
 */
turn?: TurnInProgress, };
export type TurnPhase = "accepted" | "routing" | "running" | "awaiting_approval";
export type TurnInProgress = { 
/**
 * The turn.
 */
id: TurnId, 
/**
 * Where it stands.
 */
state: TurnPhase, 
/**
 * Who answers; left out until that is decided.
 */
agent?: AgentId, 
/**
 * The answer's message id; left out until its first word.
 */
messageId?: MessageId, 
/**
 * The answer so far; the next `message_delta` begins at its length in bytes.
 */
content: string, };
export type MessageReset = { 
/**
 * The answer's message id.
 */
messageId: MessageId, 
/**
 * Why, for people.
 */
reason: string, };
export type MessageDelta = { 
/**
 * The answer's message id.
 */
messageId: MessageId, 
/**
 * Where `delta` begins, in UTF-8 bytes of the answer.
 */
offset: number, 
/**
 * The text.
 */
delta: string, };
export type Pong = Record<symbol, never>;
export type Lagging = { 
/**
 * Durable events that it is behind.
 */
missed: number, };
export type ServerDraining = { 
/**
 * When to come back, in milliseconds.
 */
reconnectAfterMs: number, };
export type ErrorSignal = { 
/**
 * The code.
 */
code: ErrorCode, 
/**
 * What is wrong.
 */
message: string, 
/**
 * Whether the same frame may succeed later.
 */
retryable: boolean, 
/**
 * The message that was refused, where it was one.
 */
clientMessageId?: ClientMessageId, };
export type EventBody = { "type": "message_accepted", "data": MessageAccepted } | { "type": "retrieval_log", "data": RetrievalLog } | { "type": "agent_status", "data": AgentStatusChanged } | { "type": "handoff", "data": Handoff } | { "type": "tool_call", "data": ToolCall } | { "type": "approval_requested", "data": ApprovalRequested } | { "type": "approval_resolved", "data": ApprovalResolved } | { "type": "message_completed", "data": MessageCompleted } | { "type": "turn_failed", "data": TurnFailed } | { "type": "turn_cancelled", "data": TurnCancelled };
export type SignalBody = { "type": "session_ready", "data": SessionReady } | { "type": "message_reset", "data": MessageReset } | { "type": "message_delta", "data": MessageDelta } | { "type": "pong", "data": Pong } | { "type": "lagging", "data": Lagging } | { "type": "server_draining", "data": ServerDraining } | { "type": "error", "data": ErrorSignal };
export type SessionState = "idle" | "running" | "person";
export type PersonInCharge = { 
/**
 * Who, as they gave their name: nobody has vouched for it.
 */
name: string, 
/**
 * Since when.
 */
since: Timestamp, };
export type PersonWanted = { 
/**
 * The agent that has asked last.
 */
agent?: AgentId, 
/**
 * Why, in the agent's words.
 */
reason: string, 
/**
 * Since when one is wanted.
 */
since: Timestamp, };
export type LiveTurn = { 
/**
 * The turn.
 */
turnId: TurnId, 
/**
 * Where it stands.
 */
state: TurnPhase, 
/**
 * Who answers, `person` where it waits for one; left out until that is decided.
 */
agent?: AgentId, 
/**
 * When its message was accepted.
 */
startedAt: Timestamp, 
/**
 * What was asked; of a long message its beginning.
 */
question: string, };
export type LiveSession = { 
/**
 * The session with its totals.
 */
session: ChatSession, 
/**
 * What it does.
 */
state: SessionState, 
/**
 * The oldest of its turns that has not ended.
 */
turn?: LiveTurn, 
/**
 * Turns that have not ended, that one included.
 */
openTurns: number, 
/**
 * Clients that follow it, over WebSocket or as a stream, whichever node they are connected to.
 */
clients: number, 
/**
 * Who has taken it over; left out where agents answer.
 */
person?: PersonInCharge, 
/**
 * That a person is wanted; left out where none is, or one has come.
 */
personWanted?: PersonWanted, 
/**
 * The node that has it; left out where there is but one.
 */
node?: string, };
export type LiveSessions = { 
/**
 * The sessions.
 */
sessions: Array<LiveSession>, 
/**
 * How many there are, whether they are listed or not.
 */
total: number, 
/**
 * Whether there are more than are listed.
 */
hasMore: boolean, 
/**
 * Nodes that have not answered, whose sessions are missing here; left out where all have.
 */
missingNodes?: Array<string>, };
export type LiveChanges = { 
/**
 * Sessions that are new or have changed, the latest active first.
 */
changed: Array<LiveSession>, 
/**
 * Sessions that are listed no more.
 */
gone: Array<SessionId>, 
/**
 * How many there are now, whether they are listed or not.
 */
total: number, 
/**
 * Nodes that have not answered; left out where all have.
 */
missingNodes?: Array<string>, };

/** Numbered, kept in the journal, and published only after its commit. */
export type DurableEvent = EventBody & { seq: number; sessionId: SessionId; turnId?: TurnId; at: Timestamp }
/** Has no number and is not kept. */
export type TransientSignal = SignalBody & { seq?: undefined; sessionId: SessionId; turnId?: TurnId; at: Timestamp }
/** Every frame that the server sends. */
export type ServerEvent = DurableEvent | TransientSignal
/** Every frame that a client sends. */
export type ClientCommand =
  | { type: 'send_message'; data: { clientMessageId: ClientMessageId; content: string; fresh?: boolean } }
  | { type: 'cancel'; data?: { turnId?: TurnId } }
  | { type: 'resolve_approval'; data: { approvalId: ApprovalId; decision: Decision; reason?: string; arguments?: Record<string, unknown> } }
  | { type: 'ack'; data: { seq: number } }
  | { type: 'ping' }
