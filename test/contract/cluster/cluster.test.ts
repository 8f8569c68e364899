import { clusterContract } from './cluster-contract.js'
import { inMemory, onDisk, overTheWire } from './cluster-world.js'

for (const world of [inMemory, onDisk, overTheWire]) clusterContract(world)
