/** Notices what stays in hand for too long, without a look at the clock for every record: only as often as it is asked. */
export class StuckWatch {
    #limitMs;
    #seen = new Map();
    constructor(limitMs) {
        this.#limitMs = limitMs;
    }
    /** Whether one of the things in hand, given by their numbers, has been there for as long as the limit; -1 stands for nothing. */
    isStuck(inHand, now) {
        const seen = new Map();
        let isStuck = false;
        for (const number of inHand) {
            if (number < 0)
                continue;
            const since = this.#seen.get(number) ?? now;
            seen.set(number, since);
            if (now - since >= this.#limitMs)
                isStuck = true;
        }
        this.#seen = seen;
        return isStuck;
    }
}
