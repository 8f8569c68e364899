const longTimeMs = 24 * 60 * 60 * 1000;
/** Keeps the process alive while somebody waits for records, whatever the consumer itself is waiting for. */
export class KeepAlive {
    #clock;
    #holders = 0;
    #timer;
    constructor(clock) {
        this.#clock = clock;
    }
    hold() {
        if (++this.#holders === 1)
            this.#set();
    }
    letGo() {
        if (--this.#holders > 0)
            return;
        this.#timer?.cancel();
        this.#timer = undefined;
    }
    #set() {
        this.#timer = this.#clock.setTimer(longTimeMs, () => this.#set(), { keepAlive: true });
    }
}
