// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import dev.cenalloc.image.Layout;
import java.nio.LongBuffer;
import java.util.ArrayDeque;
import org.lwjgl.system.MemoryStack;
import org.lwjgl.util.shaderc.Shaderc;
import org.lwjgl.vulkan.VK10;
import org.lwjgl.vulkan.VkCommandBuffer;
import org.lwjgl.vulkan.VkCommandBufferAllocateInfo;
import org.lwjgl.vulkan.VkCommandBufferBeginInfo;
import org.lwjgl.vulkan.VkCommandPoolCreateInfo;
import org.lwjgl.vulkan.VkComputePipelineCreateInfo;
import org.lwjgl.vulkan.VkDescriptorBufferInfo;
import org.lwjgl.vulkan.VkDescriptorPoolCreateInfo;
import org.lwjgl.vulkan.VkDescriptorPoolSize;
import org.lwjgl.vulkan.VkDescriptorSetAllocateInfo;
import org.lwjgl.vulkan.VkDescriptorSetLayoutBinding;
import org.lwjgl.vulkan.VkDescriptorSetLayoutCreateInfo;
import org.lwjgl.vulkan.VkDevice;
import org.lwjgl.vulkan.VkPipelineLayoutCreateInfo;
import org.lwjgl.vulkan.VkPipelineShaderStageCreateInfo;
import org.lwjgl.vulkan.VkPushConstantRange;
import org.lwjgl.vulkan.VkQueue;
import org.lwjgl.vulkan.VkShaderModuleCreateInfo;
import org.lwjgl.vulkan.VkSubmitInfo;
import org.lwjgl.vulkan.VkWriteDescriptorSet;

/** A compute shader that inverts the colours of an image of 4 bytes a pixel, line by line. */
final class VulkanShader {
    private static final int COMPUTE = VK10.VK_PIPELINE_BIND_POINT_COMPUTE;
    private static final int STAGE = VK10.VK_SHADER_STAGE_COMPUTE_BIT;
    private static final int SIDE = 8;

    private static final String SOURCE = """
            #version 450
            layout(local_size_x = 8, local_size_y = 8) in;
            layout(std430, binding = 0) buffer Memory { uint words[]; };
            layout(push_constant) uniform Image { uint width, height, offset, pitch; };
            void main() {
                uvec2 at = gl_GlobalInvocationID.xy;
                if (at.x < width && at.y < height)
                    words[offset + at.y * pitch + at.x] ^= 0x00ffffffu;
            }
            """;

    private final ArrayDeque<Runnable> undo = new ArrayDeque<>();
    private final VkDevice device;
    private final MemoryStack stack;
    private final LongBuffer result;

    private VulkanShader(VkDevice device, MemoryStack stack) {
        this.device = device;
        this.stack = stack;
        this.result = stack.mallocLong(1);
    }

    /**
     * Runs it over an image, and waits for its end. A program that does so for each frame makes the pipeline once.
     *
     * @param layout of an image with 4 bytes a pixel
     */
    static void invert(VkDevice device, VulkanMemory memory, Layout layout) {
        try (var stack = MemoryStack.stackPush()) {
            var shader = new VulkanShader(device, stack);
            try {
                shader.run(memory.buffer(), layout);
            } finally {
                while (!shader.undo.isEmpty()) {
                    shader.undo.pop().run();
                }
            }
        }
    }

    private void run(long buffer, Layout layout) {
        long setLayout = setLayout();
        long pipelineLayout = pipelineLayout(setLayout);
        long pipeline = pipeline(pipelineLayout);
        var place = layout.planes().getFirst();
        int width = layout.image().width();
        int height = layout.rows(0);

        var commands = commands();
        var once = VkCommandBufferBeginInfo.calloc(stack).sType$Default();
        Vulkan.check(VK10.vkBeginCommandBuffer(commands, once), "vkBeginCommandBuffer");
        VK10.vkCmdBindPipeline(commands, COMPUTE, pipeline);
        VK10.vkCmdBindDescriptorSets(commands, COMPUTE, pipelineLayout, 0, stack.longs(set(setLayout, buffer)), null);
        int[] constants = {width, height, (int) (place.offset() / 4), (int) (place.pitch() / 4)};
        VK10.vkCmdPushConstants(commands, pipelineLayout, STAGE, 0, stack.ints(constants));
        VK10.vkCmdDispatch(commands, Math.ceilDiv(width, SIDE), Math.ceilDiv(height, SIDE), 1);
        Vulkan.check(VK10.vkEndCommandBuffer(commands), "vkEndCommandBuffer");

        var handle = stack.mallocPointer(1);
        VK10.vkGetDeviceQueue(device, 0, 0, handle);
        var queue = new VkQueue(handle.get(0), device);
        var submit = VkSubmitInfo.calloc(stack).sType$Default().pCommandBuffers(stack.pointers(commands));
        Vulkan.check(VK10.vkQueueSubmit(queue, submit, VK10.VK_NULL_HANDLE), "vkQueueSubmit");
        Vulkan.check(VK10.vkQueueWaitIdle(queue), "vkQueueWaitIdle");
    }

    private long setLayout() {
        var binding = VkDescriptorSetLayoutBinding.calloc(1, stack)
                .descriptorType(VK10.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER)
                .descriptorCount(1)
                .stageFlags(STAGE);
        var info = VkDescriptorSetLayoutCreateInfo.calloc(stack).sType$Default().pBindings(binding);
        Vulkan.check(VK10.vkCreateDescriptorSetLayout(device, info, null, result), "vkCreateDescriptorSetLayout");
        long made = result.get(0);
        undo.push(() -> VK10.vkDestroyDescriptorSetLayout(device, made, null));
        return made;
    }

    private long pipelineLayout(long setLayout) {
        var constants = VkPushConstantRange.calloc(1, stack).stageFlags(STAGE).size(16);
        var info = VkPipelineLayoutCreateInfo.calloc(stack)
                .sType$Default()
                .setLayoutCount(1)
                .pSetLayouts(stack.longs(setLayout))
                .pPushConstantRanges(constants);
        Vulkan.check(VK10.vkCreatePipelineLayout(device, info, null, result), "vkCreatePipelineLayout");
        long made = result.get(0);
        undo.push(() -> VK10.vkDestroyPipelineLayout(device, made, null));
        return made;
    }

    private long pipeline(long layout) {
        long compiler = Shaderc.shaderc_compiler_initialize();
        undo.push(() -> Shaderc.shaderc_compiler_release(compiler));
        int kind = Shaderc.shaderc_glsl_compute_shader;
        long compiled = Shaderc.shaderc_compile_into_spv(compiler, SOURCE, kind, "invert", "main", 0);
        undo.push(() -> Shaderc.shaderc_result_release(compiled));
        var code = Shaderc.shaderc_result_get_bytes(compiled);
        if (code == null) {
            throw new IllegalStateException(Shaderc.shaderc_result_get_error_message(compiled));
        }
        var moduleInfo = VkShaderModuleCreateInfo.calloc(stack).sType$Default().pCode(code);
        Vulkan.check(VK10.vkCreateShaderModule(device, moduleInfo, null, result), "vkCreateShaderModule");
        long module = result.get(0);
        undo.push(() -> VK10.vkDestroyShaderModule(device, module, null));
        var stage = VkPipelineShaderStageCreateInfo.calloc(stack)
                .sType$Default()
                .stage(STAGE)
                .module(module)
                .pName(stack.UTF8("main"));
        var info = VkComputePipelineCreateInfo.calloc(1, stack)
                .sType$Default()
                .stage(stage)
                .layout(layout);
        Vulkan.check(VK10.vkCreateComputePipelines(device, 0, info, null, result), "vkCreateComputePipelines");
        long made = result.get(0);
        undo.push(() -> VK10.vkDestroyPipeline(device, made, null));
        return made;
    }

    /** The buffer as the shader's binding 0. */
    private long set(long setLayout, long buffer) {
        var size = VkDescriptorPoolSize.calloc(1, stack)
                .type(VK10.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER)
                .descriptorCount(1);
        var poolInfo = VkDescriptorPoolCreateInfo.calloc(stack)
                .sType$Default()
                .maxSets(1)
                .pPoolSizes(size);
        Vulkan.check(VK10.vkCreateDescriptorPool(device, poolInfo, null, result), "vkCreateDescriptorPool");
        long pool = result.get(0);
        undo.push(() -> VK10.vkDestroyDescriptorPool(device, pool, null));
        var info = VkDescriptorSetAllocateInfo.calloc(stack)
                .sType$Default()
                .descriptorPool(pool)
                .pSetLayouts(stack.longs(setLayout));
        Vulkan.check(VK10.vkAllocateDescriptorSets(device, info, result), "vkAllocateDescriptorSets");
        long set = result.get(0);
        var whole = VkDescriptorBufferInfo.calloc(1, stack).buffer(buffer).range(VK10.VK_WHOLE_SIZE);
        var write = VkWriteDescriptorSet.calloc(1, stack)
                .sType$Default()
                .dstSet(set)
                .descriptorCount(1)
                .descriptorType(VK10.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER)
                .pBufferInfo(whole);
        VK10.vkUpdateDescriptorSets(device, write, null);
        return set;
    }

    private VkCommandBuffer commands() {
        var poolInfo = VkCommandPoolCreateInfo.calloc(stack).sType$Default();
        Vulkan.check(VK10.vkCreateCommandPool(device, poolInfo, null, result), "vkCreateCommandPool");
        long pool = result.get(0);
        undo.push(() -> VK10.vkDestroyCommandPool(device, pool, null));
        var info = VkCommandBufferAllocateInfo.calloc(stack)
                .sType$Default()
                .commandPool(pool)
                .level(VK10.VK_COMMAND_BUFFER_LEVEL_PRIMARY)
                .commandBufferCount(1);
        var handle = stack.mallocPointer(1);
        Vulkan.check(VK10.vkAllocateCommandBuffers(device, info, handle), "vkAllocateCommandBuffers");
        return new VkCommandBuffer(handle.get(0), device);
    }
}
