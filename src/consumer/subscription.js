import { expectFunction, shown } from '../common/options.js';
import { expectTopicName } from '../record/topic.js';
/** What a consumer asked for, and how it reads each topic. */
export class Subscription {
    /** Topics that were named, in order. */
    names;
    typedTopics;
    #patterns;
    constructor(selectors) {
        const typed = [];
        const names = new Set();
        const patterns = [];
        for (const selector of selectors) {
            // A pattern that is global or sticky would remember where it last matched.
            if (selector instanceof RegExp)
                patterns.push(new RegExp(selector.source, selector.flags.replace(/[gy]/g, '')));
            else if (typeof selector === 'string')
                names.add(selector);
            else {
                typed.push(selector);
                names.add(selector.name);
            }
        }
        this.names = [...names];
        this.typedTopics = typed;
        this.#patterns = patterns;
    }
    get hasPatterns() {
        return this.#patterns.length > 0;
    }
    includes(topic) {
        return this.names.includes(topic) || this.matches(topic);
    }
    /** Whether a pattern takes the topic in. */
    matches(topic) {
        return this.#patterns.some(pattern => pattern.test(topic));
    }
    serdesOf(topic, otherwise) {
        return this.typedTopics.find(({ name }) => name === topic) ?? otherwise;
    }
}
/** Throws a `TypeError` unless this is a list of topics to subscribe to. */
export function expectSelectors(name, selectors) {
    if (!Array.isArray(selectors) || selectors.length === 0) {
        throw new TypeError(`Expected \`${name}\` to be a non-empty list of topic names, typed topics or patterns, got ${shown(selectors)}`);
    }
    for (const selector of selectors) {
        if (selector instanceof RegExp)
            continue;
        if (typeof selector !== 'object' || selector === null) {
            expectTopicName(selector);
            continue;
        }
        expectTopicName(selector.name);
        expectFunction(`${selector.name}.key.deserialize`, selector.key?.deserialize);
        expectFunction(`${selector.name}.value.deserialize`, selector.value?.deserialize);
    }
}
