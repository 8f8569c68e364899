import { brokerContract } from './broker-contract.js'
import { inMemory, onDisk, overTheWire } from './world.js'

for (const world of [inMemory, onDisk, overTheWire]) brokerContract(world)
