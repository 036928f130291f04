/**
 * Which sessions share a topic, so that news of it touches those alone (docs/spec/3-sync.md §7).
 * Layer 4.
 */
import type { Topic } from "@hawser/log";
import type { RunningSession } from "./session.ts";

export interface TopicSessions {
  /** Sessions that share the topic now, the earliest first. */
  of(topic: Topic): Iterable<RunningSession>;
  add(session: RunningSession, topic: Topic): void;
  remove(session: RunningSession, topic: Topic): void;
  /** Removes a session that is over from all topics. */
  removeAll(session: RunningSession): void;
}

export function createTopicSessions(): TopicSessions {
  const sessionsByTopic = new Map<Topic, Set<RunningSession>>();
  const topicsBySession = new Map<RunningSession, Set<Topic>>();
  const leave = (session: RunningSession, topic: Topic): void => {
    const sessions = sessionsByTopic.get(topic);
    sessions?.delete(session);
    if (sessions?.size === 0) sessionsByTopic.delete(topic);
  };
  return {
    of: (topic) => sessionsByTopic.get(topic) ?? [],
    add: (session, topic) => {
      const sessions = sessionsByTopic.get(topic) ?? new Set();
      sessionsByTopic.set(topic, sessions.add(session));
      const topics = topicsBySession.get(session) ?? new Set();
      topicsBySession.set(session, topics.add(topic));
    },
    remove: (session, topic) => {
      leave(session, topic);
      const topics = topicsBySession.get(session);
      topics?.delete(topic);
      if (topics?.size === 0) topicsBySession.delete(session);
    },
    removeAll: (session) => {
      for (const topic of topicsBySession.get(session) ?? []) leave(session, topic);
      topicsBySession.delete(session);
    },
  };
}
