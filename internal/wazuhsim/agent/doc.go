// Package agent is a simulated Wazuh agent, or thousands of them, for tests and load: it enrolls,
// keeps its key, connects, reports itself alive, sends events, and comes back when it is cut off,
// with the habits of the real wazuh-agentd. The habit that matters most to a manager's operator:
// after five failed connections an agent enrolls again by itself, with the secret it still has, so
// deleting an agent alone doesn't keep a host out.
//
// Every wait of the real agent is here, divided by a time scale. Start with [New], then [Agent.Once]
// for a script or [Agent.Run] for an agent that stays; [RunFleet] runs many.
package agent
