/** Looks at topics again: at intervals, and when there is news of them. One look at a time. */
export class TopicWatch {
    #clock;
    #owner;
    #unlisten;
    #timer;
    #looking;
    #isLookWanted = false;
    #isStopped = false;
    constructor(clock, news, owner) {
        this.#clock = clock;
        this.#owner = owner;
        this.#unlisten = news?.onTopicsChanged(() => this.look());
        this.#schedule();
    }
    look() {
        if (this.#isStopped)
            return;
        this.#isLookWanted = true;
        this.#looking ??= this.#lookUntilContent();
    }
    async stop() {
        this.#isStopped = true;
        this.#unlisten?.();
        this.#timer?.cancel();
        await this.#looking;
    }
    async #lookUntilContent() {
        this.#timer?.cancel();
        while (this.#isLookWanted && !this.#isStopped) {
            this.#isLookWanted = false;
            await this.#owner.look();
        }
        this.#looking = undefined;
        if (!this.#isStopped)
            this.#schedule();
    }
    #schedule() {
        this.#timer = this.#clock.setTimer(this.#owner.intervalMs(), () => this.look());
    }
}
